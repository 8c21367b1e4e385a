// The requests of allreduce/ps/protocol.ts, one handler each, around the server's runs.

import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import {
  type Joined,
  MEAN_LEVEL,
  PROTOCOL_VERSION,
  type ServerReport,
  SUM_LEVEL,
} from "../allreduce/ps/protocol.ts";
import { SltrainError } from "../errors.ts";
import { answerByRoutes, answerJson, type Call, route, type Route } from "../http-routes.ts";
import type { Zstd } from "../shard/zstd.ts";
import { addFrame, adoptMean, type Place } from "./add-frame.ts";
import type { Lane } from "./lane.ts";
import { readBody } from "./read-body.ts";
import type { Follower, Round } from "./round.ts";
import type { Run } from "./run.ts";
import { parseDescription, Runs } from "./runs.ts";

const MAX_DESCRIPTION_BYTES = 8 << 20;

/** One for each run that comes or goes. */
export interface RunEvent {
  readonly event: "run.joined" | "run.forgotten";
  readonly runId: string;
  readonly workers: number;
  readonly neededBytes: number;
}

/** A path of the protocol's version. */
function row(method: string, path: string, handle: Route["handle"]): Route {
  return route(method, `/v${PROTOCOL_VERSION}${path}`, handle);
}

export class Routes {
  readonly #runs: Runs;
  readonly #onRun: (event: RunEvent) => void;
  #framesIn = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** The most frequent first. */
  readonly #routes: readonly Route[] = [
    row("PUT", "/runs/:run/:incarnation/:lane/:step/:level/:bucket/:piece/:rank", (call) =>
      this.#putFrame(call),
    ),
    row("GET", "/runs/:run/:incarnation/:lane/:step", (call) => this.#follow(call)),
    row("GET", "/runs/:run/:incarnation", (call) => {
      this.#runOf(call);
      call.response.writeHead(204).end();
    }),
    row("GET", "/runs/:run/:incarnation/:lane/:step/missing", (call) =>
      answerJson(call.response, this.#followed(call).missing()),
    ),
    row("PUT", "/runs/:run", (call) => this.#join(call)),
    row("DELETE", "/runs/:run", (call) => this.#forget(call)),
    row("GET", "", ({ response }) => answerJson(response, this.report())),
  ];

  constructor(memoryBytes: number, onRun: (event: RunEvent) => void, zstd: Zstd) {
    this.#runs = new Runs(memoryBytes, zstd);
    this.#onRun = onRun;
  }

  report(): ServerReport {
    const { size: runs, heldBytes, limitBytes } = this.#runs;
    const traffic = { framesIn: this.#framesIn, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut };
    return { version: PROTOCOL_VERSION, runs, heldBytes, limitBytes, ...traffic };
  }

  /** Throws what the request is refused with, before anything was answered. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await answerByRoutes(this.#routes, request, response)) return;
    throw requestInvalid("route-unknown", "a request of this version", `${request.method!} ${request.url!}`);
  }

  async #join({ request, response, path }: Call): Promise<void> {
    contentLength(request, MAX_DESCRIPTION_BYTES);
    const { run, isNew } = this.#runs.join(path.run!, parseDescription(await text(request)));
    if (isNew) this.#tell("run.joined", run);
    answerJson(response, { incarnation: run.incarnation } satisfies Joined);
  }

  #forget({ response, path }: Call): void {
    const run = this.#runs.forget(path.run!);
    if (run !== undefined) this.#tell("run.forgotten", run);
    response.writeHead(204).end();
  }

  #tell(event: RunEvent["event"], { id: runId, description, neededBytes }: Run): void {
    this.#onRun({ event, runId, workers: description.worldSize, neededBytes });
  }

  async #putFrame(call: Call): Promise<void> {
    const { request, response, path } = call;
    const { run, number, lane, step } = this.#roundOf(call);
    const [level, bucket, piece] = [path.level, path.bucket, path.piece].map(wholeNumber) as [
      number,
      number,
      number,
    ];
    const rank = rankOf(run, path.rank);
    const index = lane.options.pieces.findIndex((one) => one.bucket === bucket && one.number === piece);
    const its = lane.options.pieces[index];
    if (its === undefined) throw requestInvalid("piece-unknown", "a piece of the run", `${bucket}-${piece}`);
    if (level !== SUM_LEVEL && level !== MEAN_LEVEL)
      throw requestInvalid("level-unknown", "a level", `${level}`);
    const isMean = level === MEAN_LEVEL;
    const sizeBytes = contentLength(request, its.maxFrameBytes);
    const round = lane.round(step, run.stepOf(rank));
    const writer = isMean ? run.serverRank : rank;
    const address = { lane: number, step, level, bucket, piece, rank: writer };
    const place: Place = { run, lane, round, piece: its, index, address };
    const isLate = (): boolean => (isMean ? round.hasMean(index) : round.has(index, rank));
    if (isLate()) {
      await drain(request);
      response.writeHead(200).end();
      return;
    }
    if (isMean) {
      await adoptMean(place, await readBody(request, new Uint8Array(sizeBytes)));
    } else {
      if (step < its.step) throw lane.forgotten(step, its.step - 1);
      await addFrame(place, await its.receive(step, rank, request, sizeBytes));
    }
    lane.sent(rank, step);
    this.#framesIn++;
    this.#bytesIn += sizeBytes;
    this.#runs.makeRoom();
    response.writeHead(201).end();
  }

  #follow(call: Call): void {
    const { response } = call;
    const round = this.#followed(call);
    // At once: the client then knows that it is heard, whatever its peers do.
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.flushHeaders();
    const follower: Follower = {
      mean: (frame) => {
        for (const part of frame) {
          response.write(part);
          this.#bytesOut += part.byteLength;
        }
      },
      end: () => response.end(),
    };
    response.once("close", () => round.unfollow(follower));
    round.follow(follower);
  }

  #followed(call: Call): Round {
    const { run, lane, step } = this.#roundOf(call);
    const rank = rankOf(run, call.query.get("rank"));
    run.sweep(rank, Number(call.query.get("durable") ?? -1));
    return lane.round(step, run.stepOf(rank));
  }

  #runOf({ path }: Call): Run {
    return this.#runs.get(path.run!, path.incarnation!);
  }

  #roundOf(call: Call): { run: Run; number: number; lane: Lane; step: number } {
    const run = this.#runOf(call);
    const number = wholeNumber(call.path.lane);
    const lane = run.lanes[number];
    if (lane === undefined)
      throw requestInvalid("lane-unknown", `one of ${run.lanes.length} lanes`, `${number}`);
    return { run, number, lane, step: wholeNumber(call.path.step) };
  }
}

function rankOf({ description: { worldSize } }: Run, text: string | null | undefined): number {
  const rank = wholeNumber(text);
  if (rank < worldSize) return rank;
  throw requestInvalid("rank-invalid", `a rank below ${worldSize}`, `${rank}`);
}

function wholeNumber(text: string | null | undefined): number {
  const number = Number(text);
  if (typeof text === "string" && /^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw requestInvalid("number-invalid", "a whole number", String(text));
}

/** Throws SltrainError "body-invalid" without a length, or with one that is too large. */
function contentLength(request: IncomingMessage, mostBytes: number): number {
  const sizeBytes = Number(request.headers["content-length"] ?? NaN);
  if (sizeBytes <= mostBytes) return sizeBytes;
  throw requestInvalid("body-invalid", `a body of at most ${mostBytes} bytes`, `${sizeBytes}`);
}

async function drain(request: IncomingMessage): Promise<void> {
  for await (const _ of request);
}

function requestInvalid(code: string, expected: string, got: string): SltrainError {
  return new SltrainError({
    code,
    message: `parameter server: expected ${expected}, but got ${got}`,
    suggestions: ["Run the same version of sltrain on servers and workers."],
  });
}
