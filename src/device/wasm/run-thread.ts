// What a helper thread runs: it takes slices of the calls that the device's own thread publishes. `ThreadPool` has the
// protocol.

import type * as workerThreads from "node:worker_threads";

/**
 * Index of each control word in a shared Int32Array. Those that are written while a call runs lie 128 bytes apart, so
 * that no two share a cache line.
 */
export const controlWords = {
  /** The next ticket; it only grows (and wraps). A ticket is one slice of one call. */
  cursor: 0,
  /** The first ticket that is not handed out yet: `cursor` stops there. */
  limit: 32,
  /** Tickets done, also those that threw. */
  done: 64,
  /** Threads that sleep until `limit` changes. */
  sleepers: 96,
  /** Whether the device's own thread sleeps until `done` changes. */
  waits: 128,
  /** Slices that threw in a thread; each has sent a `ThreadFailure`. */
  failures: 129,
  /** The call that the tickets from `first` on belong to; constant while any of them is not done. */
  call: 160,
  first: 161,
  begin: 162,
  end: 163,
  sliceUnits: 164,
} as const;

export const CONTROL_WORD_COUNT = 192;

/** A program's calls, in the order of their numbers, and the scratch of the thread that it is sent to. */
export interface ThreadProgram {
  readonly module: WebAssembly.Module;
  readonly exportNames: readonly string[];
  readonly scratch: number;
}

/** A slice that threw in a thread. */
export interface ThreadFailure {
  readonly message: string;
}

export interface ThreadData {
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array;
  readonly words: typeof controlWords;
  /** Brings `ThreadProgram`s, always before the first of their calls is published; takes `ThreadFailure`s. */
  readonly port: workerThreads.MessagePort;
  /** How long to look for work before going to sleep. */
  readonly spinMs: number;
}

/**
 * Never returns: the pool terminates the thread. It is started from its source text, so that there is no second file
 * to find beside the sources, in dist/ or in a function's bundle: it may use nothing but its parameter and globals,
 * and may not declare functions, which a bundler would wrap.
 */
export function runThread({ workerData, receiveMessageOnPort }: typeof workerThreads): void {
  const { memory, control, words, port, spinMs } = workerData as ThreadData;
  const calls: { run: (begin: number, end: number, scratch: number) => void; scratch: number }[] = [];
  let idleSince = performance.now();
  for (;;) {
    // The cursor is read before the limit: a ticket below the limit is then the published call's, or already taken.
    const ticket = Atomics.load(control, words.cursor);
    const limit = Atomics.load(control, words.limit);
    if (ticket === limit) {
      if (performance.now() - idleSince < spinMs) continue;
      Atomics.add(control, words.sleepers, 1);
      Atomics.wait(control, words.limit, limit);
      Atomics.sub(control, words.sleepers, 1);
      idleSince = performance.now();
      continue;
    }
    const number = control[words.call]!;
    const sliceUnits = control[words.sliceUnits]!;
    const begin = control[words.begin]! + ((ticket - control[words.first]!) | 0) * sliceUnits;
    const end = Math.min(begin + sliceUnits, control[words.end]!);
    if (Atomics.compareExchange(control, words.cursor, ticket, (ticket + 1) | 0) !== ticket) continue;
    try {
      while (calls.length <= number) {
        const { module, exportNames, scratch } = receiveMessageOnPort(port)!.message as ThreadProgram;
        const { exports } = new WebAssembly.Instance(module, { env: { memory } });
        for (const name of exportNames)
          calls.push({ run: exports[name] as (typeof calls)[number]["run"], scratch });
      }
      const { run, scratch } = calls[number]!;
      run(begin, end, scratch);
    } catch (error) {
      port.postMessage({ message: String(error) } satisfies ThreadFailure);
      Atomics.add(control, words.failures, 1);
    }
    Atomics.add(control, words.done, 1);
    if (Atomics.load(control, words.waits) === 1) Atomics.notify(control, words.done);
    idleSince = performance.now();
  }
}
