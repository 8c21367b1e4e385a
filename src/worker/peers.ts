// What a worker reaches its peers through, as the run's configuration says: the channel, the collective over it, and the
// log of updates where ranks are not in lockstep.

import type { Replica } from "../algorithms/replica.ts";
import { type CollectiveJob, openJob } from "../allreduce/collective-job.ts";
import type { Collective } from "../allreduce/collective.ts";
import { parseCompression } from "../allreduce/compression.ts";
import { type DeltaLog, openDeltaLog } from "../allreduce/delta-log.ts";
import type { OnLate } from "../allreduce/frame-coder.ts";
import type { IoThread } from "../allreduce/io-thread/start-io-thread.ts";
import { framesName } from "../run/crew.ts";
import type { RunManifest, WorkerEvent, WorkTotals } from "../run/records.ts";
import { type Metered, usd } from "../storage/layers/meter.ts";
import type { Channel } from "../storage/storage.ts";

export interface Peers {
  readonly collective: Collective;
  readonly log: DeltaLog | undefined;
  /** Time and traffic of both since they were opened, and what all requests of this worker cost. */
  readonly stats: Omit<WorkTotals, "computeMs" | "gpuBusyMs" | "dataMs">;
  close(): Promise<void>;
}

export interface OpenPeersOptions {
  readonly replica: Replica;
  /** Where the exchange is to run; else on this thread. Ranks that are not in lockstep have none. */
  readonly ioThread: IoThread | undefined;
  /** Called with ranks whose frames are late. */
  readonly onLate: OnLate;
}

export async function openPeers(
  { rank, attempt, framesOf, generation, channel }: WorkerEvent,
  manifest: RunManifest,
  storage: Channel & Metered,
  { replica: { parameters: layout, statistics }, ioThread, onLate }: OpenPeersOptions,
): Promise<Peers> {
  const { config, frames } = manifest;
  const { workers: worldSize, seed, zstd, leaseMs, quorum, bucketBytes, reduce, compress } = config;
  const runId = framesName(manifest, { attempt, framesOf });
  const member = { runId, rank, worldSize, generation: attempt + generation, seed, zstd, leaseMs };
  const lockstep = frames.staleness === null;
  const job: CollectiveJob = {
    ...{ ...member, channel, layout, statistics, bucketBytes, reduce, quorum },
    // Out of lockstep it averages what should be equal but for rounding: an epoch's end loses nothing.
    compress: lockstep ? compress : "f32",
    // Whose updates it had added by then depends on timing.
    repeatable: lockstep,
  };
  const { collective, medium, close } = await (ioThread?.open(job, onLate) ??
    openJob(job, process.env, onLate));
  const log =
    lockstep || medium === undefined || "servers" in medium
      ? undefined
      : await openDeltaLog({
          ...{ ...member, channel: medium, onLate },
          ...{ length: layout.length, codec: parseCompression(compress).codec },
        });
  return {
    ...{ collective, log, close },
    get stats() {
      // The channel's meter counts what both ask of it, and the collective tells what it reads.
      const { exchangeMs, waitMs, bytesUp, bytesDown, requests, requestsUsd } = collective.stats;
      return {
        exchangeMs: exchangeMs + (log?.stats.exchangeMs ?? 0),
        waitMs: waitMs + (log?.stats.waitMs ?? 0),
        ...{ bytesUp, bytesDown, requests },
        requestsUsd: requestsUsd + costUsd(storage),
      };
    },
  };
}

function costUsd({ reading, capabilities: { prices } }: Channel & Metered): number {
  return prices === undefined ? 0 : usd(reading, prices);
}
