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

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The named parts of the path, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly handle: (call: Call) => void | Promise<void>;
}

/** `/v1/runs/:run/:step` as an expression with groups of these names. */
function pattern(path: string): RegExp {
  return new RegExp(`^/v${PROTOCOL_VERSION}${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
}

export class Routes {
  readonly #runs: Runs;
  readonly #onRun: (event: RunEvent) => void;
  #framesIn = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** The most frequent first. */
  readonly #routes: readonly Route[] = [
    {
      method: "PUT",
      path: pattern("/runs/:run/:incarnation/:lane/:step/:level/:bucket/:piece/:rank"),
      handle: (call) => this.#putFrame(call),
    },
    {
      method: "GET",
      path: pattern("/runs/:run/:incarnation/:lane/:step"),
      handle: (call) => this.#follow(call),
    },
    {
      method: "GET",
      path: pattern("/runs/:run/:incarnation"),
      handle: (call) => {
        this.#runOf(call);
        call.response.writeHead(204).end();
      },
    },
    {
      method: "GET",
      path: pattern("/runs/:run/:incarnation/:lane/:step/missing"),
      handle: (call) => {
        answerJson(call.response, this.#followed(call).missing());
      },
    },
    { method: "PUT", path: pattern("/runs/:run"), handle: (call) => this.#join(call) },
    { method: "DELETE", path: pattern("/runs/:run"), handle: (call) => this.#forget(call) },
    { method: "GET", path: pattern(""), handle: ({ response }) => answerJson(response, this.report()) },
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
    const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://server");
    for (const { method, path, handle } of this.#routes) {
      const groups = request.method === method ? path.exec(pathname) : null;
      if (groups === null) continue;
      const parts = Object.entries(groups.groups ?? {}).map(([name, part]) => [
        name,
        decodeURIComponent(part),
      ]);
      return handle({ request, response, query, path: Object.fromEntries(parts) as Record<string, string> });
    }
    throw requestInvalid("route-unknown", "a request of this version", `${request.method!} ${pathname}`);
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

function answerJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function requestInvalid(code: string, expected: string, got: string): SltrainError {
  return new SltrainError({
    code,
    message: `parameter server: expected ${expected}, but got ${got}`,
    suggestions: ["Run the same version of sltrain on servers and workers."],
  });
}
