// A thread that exchanges while this one computes: puts, reads, codecs, zstd and checksums are its work. It costs about
// 20 MB, and some 40 ms until it listens, which other work of a start may hide.

import { extname } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { SltrainError } from "../../errors.ts";
import type { CollectiveJob, OpenedJob } from "../collective-job.ts";
import type { OnLate } from "../frame-coder.ts";
import { remoteCollective } from "./remote-collective.ts";

export interface IoThread {
  /** Once; the thread ends if it fails. Throws what `openJob` throws; a collective of a thread that is gone throws "thread-lost". */
  open(job: CollectiveJob, onLate?: OnLate): Promise<OpenedJob>;
  /** Ends the thread, also amid its work. */
  stop(): Promise<void>;
}

/** Its environment, and with it credentials, is a copy of this one's. */
export function startIoThread(): IoThread {
  // Beside this file as a source, as built and as bundled.
  const entry = new URL(`./io-thread${extname(import.meta.url)}`, import.meta.url);
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(entry, { name: "sltrain-io", workerData: port2, transferList: [port2] });
  worker.unref();
  const lost = new AbortController();
  worker.once("error", (cause) => lost.abort(threadLost(cause)));
  worker.once("exit", () => lost.abort(threadLost()));
  const stop = async (): Promise<void> => {
    await worker.terminate();
  };
  return {
    async open(job, onLate) {
      const options = { onLate, lost: lost.signal };
      const collective = await remoteCollective(port, job, options).catch(async (error: unknown) => {
        await stop();
        throw error;
      });
      return {
        collective,
        async close() {
          await collective.close();
          await stop();
        },
      };
    },
    stop,
  };
}

function threadLost(cause?: unknown): SltrainError {
  return new SltrainError({
    code: "thread-lost",
    message: "collective: the I/O thread ended while it was in use",
    suggestions: ["Give the function more memory, or set ioThread to off."],
    ...(cause === undefined ? {} : { cause }),
  });
}
