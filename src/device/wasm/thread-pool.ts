// Helper threads of a device: they and the thread that calls share out the slices of one call at a time, over one
// memory. Fork and join are a few atomic operations while the threads look out for work; they do for a moment after
// each call, then they sleep.
//
// The protocol. A slice is a ticket, and tickets count on from call to call. To publish a call is to write down its
// slices and then to raise the limit; whoever moves the cursor on by one has taken a ticket, and counts it as done
// afterwards. The next call is published only when all tickets are done, so what is written down holds still for as long
// as a ticket can be taken. A thread that starts late or sleeps takes none, and nobody waits for it.

import { setImmediate } from "node:timers/promises";
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
import { SltrainError, assert } from "../../errors.ts";
import {
  CONTROL_WORD_COUNT,
  controlWords as words,
  runThread,
  type ThreadData,
  type ThreadFailure,
  type ThreadProgram,
} from "./run-thread.ts";

/** Longer than the gap between two large kernels of a step, far shorter than an exchange with other workers. */
const SPIN_MS = 0.1;
/** Within the time after which a step must give way to the event loop. */
const SLEEP_MS = 5;

/** A call as every thread can run it: by its number, and on the calling thread by `run`. */
export interface NumberedCall {
  /** As `addProgram` counts the calls of all programs. */
  readonly number: number;
  readonly run: (begin: number, end: number) => void;
}

/** What says which part of which call a ticket is. */
type SliceWord = "call" | "first" | "begin" | "end" | "sliceUnits";

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
}

export class ThreadPool {
  readonly #control = new Int32Array(
    new SharedArrayBuffer(CONTROL_WORD_COUNT * Int32Array.BYTES_PER_ELEMENT),
  );
  readonly #threads: readonly Thread[];
  #callCount = 0;
  #lost: SltrainError | undefined;

  /** Starts `helpers` threads. They don't keep the process alive, and end with it. */
  constructor(memory: WebAssembly.Memory, helpers: number) {
    this.#threads = Array.from({ length: helpers }, (_, index) => this.#start(memory, index));
  }

  #start(memory: WebAssembly.Memory, index: number): Thread {
    const { port1: port, port2 } = new MessageChannel();
    const data: ThreadData = { memory, control: this.#control, words, port: port2, spinMs: SPIN_MS };
    const worker = new Worker(`(${runThread.toString()})(require("node:worker_threads"))`, {
      eval: true,
      name: `sltrain-kernels-${index + 1}`,
      workerData: data,
      transferList: [port2],
      execArgv: [],
      env: {},
    });
    worker.unref();
    port.unref();
    worker.once("error", (cause) => (this.#lost ??= lost(index, cause)));
    worker.once("exit", () => (this.#lost ??= lost(index)));
    return { worker, port };
  }

  get helpers(): number {
    return this.#threads.length;
  }

  /** Makes a program's calls known to all threads and returns the number of the first. `scratches`: one per helper. */
  addProgram(
    module: WebAssembly.Module,
    exportNames: readonly string[],
    scratches: readonly number[],
  ): number {
    assert(scratches.length === this.#threads.length, "each thread has a scratch of its own");
    this.#threads.forEach(({ port }, i) => {
      const program: ThreadProgram = { module, exportNames, scratch: scratches[i]! };
      port.postMessage(program);
    });
    const first = this.#callCount;
    this.#callCount += exportNames.length;
    return first;
  }

  /**
   * Runs [begin, end) of a call in slices, each on some thread; returns a promise only if one keeps the others waiting.
   * Throws what a slice throws on this thread, SltrainError "thread-failed" for one that threw on another,
   * "thread-lost" if a thread is gone.
   */
  run(call: NumberedCall, begin: number, end: number, sliceUnits: number): void | Promise<void> {
    if (this.#lost) throw this.#lost;
    const first = Atomics.load(this.#control, words.limit);
    const limit = (first + Math.ceil((end - begin) / sliceUnits)) | 0;
    this.#publish({ call: call.number, first, begin, end, sliceUnits }, limit);
    let failure: Error | undefined;
    for (let ticket = this.#take(); ticket !== limit; ticket = this.#take()) {
      const from = begin + ((ticket - first) | 0) * sliceUnits;
      try {
        call.run(from, Math.min(from + sliceUnits, end));
      } catch (error) {
        failure ??= error as Error;
      }
      Atomics.add(this.#control, words.done, 1);
    }
    if (!this.#isDone(limit)) return this.#wait(limit, failure);
    this.#report(failure);
  }

  #publish(slices: Pick<Record<keyof typeof words, number>, SliceWord>, limit: number): void {
    const control = this.#control;
    control[words.call] = slices.call;
    control[words.first] = slices.first;
    control[words.begin] = slices.begin;
    control[words.end] = slices.end;
    control[words.sliceUnits] = slices.sliceUnits;
    Atomics.store(control, words.limit, limit);
    if (Atomics.load(control, words.sleepers) > 0) Atomics.notify(control, words.limit);
  }

  /** The ticket taken; the limit if none was left. */
  #take(): number {
    const control = this.#control;
    for (;;) {
      const ticket = Atomics.load(control, words.cursor);
      if (
        ticket === Atomics.load(control, words.limit) ||
        Atomics.compareExchange(control, words.cursor, ticket, (ticket + 1) | 0) === ticket
      )
        return ticket;
    }
  }

  /** Looks for the last tickets for a moment, then sleeps for a moment. */
  #isDone(limit: number): boolean {
    const control = this.#control;
    const spinEnd = performance.now() + SPIN_MS;
    do if (Atomics.load(control, words.done) === limit) return true;
    while (performance.now() < spinEnd);
    Atomics.store(control, words.waits, 1);
    const sleepEnd = performance.now() + SLEEP_MS;
    let done = Atomics.load(control, words.done);
    for (let left = SLEEP_MS; done !== limit && left > 0; left = sleepEnd - performance.now()) {
      Atomics.wait(control, words.done, done, left);
      done = Atomics.load(control, words.done);
    }
    Atomics.store(control, words.waits, 0);
    return done === limit;
  }

  /** Gives way to the event loop between sleeps: that is also how the end of a thread is heard of. */
  async #wait(limit: number, failure: Error | undefined): Promise<void> {
    do {
      await setImmediate();
      if (this.#lost) throw this.#lost;
    } while (!this.#isDone(limit));
    this.#report(failure);
  }

  #report(failure: Error | undefined): void {
    if (Atomics.exchange(this.#control, words.failures, 0) > 0) failure ??= this.#failureOfThread();
    if (failure !== undefined) throw failure;
  }

  #failureOfThread(): SltrainError {
    const failures = this.#threads.flatMap(({ port }) => {
      const messages: string[] = [];
      for (let received; (received = receiveMessageOnPort(port));)
        messages.push((received.message as ThreadFailure).message);
      return messages;
    });
    return new SltrainError({
      code: "thread-failed",
      message: `wasm device: a kernel failed on a helper thread: ${failures[0]}`,
    });
  }

  /** Ends the threads, also amid a slice. The pool is of no use afterwards. */
  close(): void {
    for (const { worker, port } of this.#threads) {
      port.close();
      void worker.terminate();
    }
  }
}

function lost(index: number, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "thread-lost",
    message: `wasm device: helper thread ${index + 1} ended while the device was in use`,
    suggestions: ["Give the function more memory, or use --threads 1."],
    ...(cause === undefined ? {} : { cause }),
  });
}
