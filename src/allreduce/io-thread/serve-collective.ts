// The I/O thread's side: the collective that every rank has, driven by messages.

import type { MessagePort } from "node:worker_threads";
import { assert } from "../../errors.ts";
import type { CollectiveJob } from "../collective-job.ts";
import type { Collective, Round, RoundOptions } from "../collective.ts";
import type { OnLate } from "../frame-coder.ts";
import type { Answer, Call, Late, Notice, Opened, Outcome, PlainRoundOptions, Value } from "./messages.ts";
import { postedError } from "./posted-error.ts";

/** What is open, and how it is closed. */
interface Served {
  readonly collective: Collective;
  close(): Promise<void>;
}

/** `port` has a `remoteCollective` at its other end, which calls `open` once. */
export function serveCollective(
  port: MessagePort,
  open: (job: CollectiveJob, onLate: OnLate) => Promise<Served>,
): void {
  const onLate: OnLate = (late, lateness) => port.postMessage({ late, lateness } satisfies Late);
  const server = new CollectiveServer((job) => open(job, onLate));
  port.on("message", (message: Notice | Call) => {
    if (isNotice(message)) server.take(message);
    else void server.answer(message).then((answer) => port.postMessage(answer));
  });
}

type Push = Extract<Notice, { readonly kind: "push" }>;

function isNotice(message: Notice | Call): message is Notice {
  return ["begin", "push", "abort", "inherit"].includes(message.kind);
}

const ABORTED = new Error("aborted by the training thread");

class CollectiveServer {
  readonly #open: (job: CollectiveJob) => Promise<Served>;
  #served: Served | undefined;
  /** After the last push; rejected by what `begin` or a push threw. */
  readonly #rounds = new Map<number, Promise<Round>>();
  readonly #stops = new Map<number, AbortController>();

  constructor(open: (job: CollectiveJob) => Promise<Served>) {
    this.#open = open;
  }

  take(notice: Notice): void {
    const { id } = notice;
    switch (notice.kind) {
      case "begin":
        this.#keep(
          id,
          Promise.resolve(this.#stoppable(id, notice.options)).then((options) =>
            this.#collective.begin(options),
          ),
        );
        break;
      case "push":
        this.#keep(id, this.#push(this.#round(id), notice));
        break;
      case "abort":
        this.#stops.get(id)?.abort(ABORTED);
        break;
      case "inherit":
        this.#collective.inherit(notice.rounds);
    }
  }

  async answer(call: Call): Promise<Answer> {
    const outcome = await this.#do(call).then(
      (value): Outcome => ({ value }),
      (error: unknown): Outcome => (error === ABORTED ? { aborted: true } : { error: postedError(error) }),
    );
    this.#rounds.delete(call.id);
    this.#stops.delete(call.id);
    return { id: call.id, outcome, stats: this.#served?.collective.stats };
  }

  async #do(call: Call): Promise<Value> {
    switch (call.kind) {
      case "open":
        this.#served = await this.#open(call.job);
        return opened(this.#collective);
      case "finish":
        return (await this.#round(call.id)).finish(call.scalars, call.mean);
      case "replay":
        return this.#collective.replay(this.#stoppable(call.id, call.options), call.mean);
      case "replayScalars":
        return this.#collective.replayScalars(this.#stoppable(call.id, call.options));
      case "reduceScalars":
        return this.#collective.reduceScalars(this.#stoppable(call.id, call.options), call.scalars);
      case "sweep":
        await this.#collective.sweep(call.currentStep, call.durableStep);
        return undefined;
      case "close":
        await this.#served?.close();
        return undefined;
    }
  }

  get #collective(): Collective {
    assert(this.#served !== undefined, "a collective is opened first");
    return this.#served.collective;
  }

  #round(id: number): Promise<Round> {
    const round = this.#rounds.get(id);
    assert(round !== undefined, `round ${id} was not begun`);
    return round;
  }

  #keep(id: number, round: Promise<Round>): void {
    // `finish` throws it; a round that is given up has none.
    round.catch(() => undefined);
    this.#rounds.set(id, round);
  }

  async #push(begun: Promise<Round>, { bucket, sums, words }: Push): Promise<Round> {
    const round = await begun;
    round.push(bucket, sums, words);
    return round;
  }

  #stoppable(id: number, options: PlainRoundOptions): RoundOptions {
    const stop = new AbortController();
    this.#stops.set(id, stop);
    return { ...options, signal: stop.signal };
  }
}

function opened({ buckets, ownPieces, state }: Collective): Opened {
  for (const [name, { buffer }] of Object.entries(state))
    assert(buffer instanceof SharedArrayBuffer, `state ${name} lies in shared memory`);
  return { buckets, ownPieces, state };
}
