// What a worker reaches its peers through, as the run's configuration says: the channel, the collective over it, and the
// log of updates where ranks are not in lockstep.

import type { Replica } from "../algorithms/replica.ts";
import type { Collective } from "../allreduce/collective.ts";
import { type DeltaLog, openDeltaLog } from "../allreduce/delta-log.ts";
import { openCompressed, parseCompression } from "../allreduce/compression.ts";
import { closeMedium, openMedium } from "../allreduce/medium.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import type { RunManifest, WorkerEvent, WorkTotals } from "../run/records.ts";
import { f32 } from "../shard/codec/f32.ts";
import { type Metered, requestCount, usd } from "../storage/layers/meter.ts";
import type { Channel } from "../storage/storage.ts";

export interface Peers {
  readonly collective: Collective;
  readonly log: DeltaLog | undefined;
  /** Time and traffic of both since they were opened, and what all requests of this worker cost. */
  readonly stats: Omit<WorkTotals, "computeMs">;
  close(): Promise<void>;
}

export async function openPeers(
  { runId, rank, attempt, channel: uri }: WorkerEvent,
  { config, frames }: RunManifest,
  storage: Channel & Metered,
  { parameters, statistics }: Replica,
): Promise<Peers> {
  const { workers: worldSize, seed, zstd, bucketBytes } = config;
  // Opened also where it is the storage: its meter counts the exchange alone.
  const channel = await openMedium(uri, process.env);
  const compression = parseCompression(config.compress);
  const member = { runId, rank, worldSize, generation: attempt, seed, zstd };
  const lockstep = frames.staleness === null;
  const collective = await openCompressed({
    ...{ ...member, channel },
    ...{ layout: parameters, statistics, bucketBytes, reduce: parseReduce(config.reduce) },
    // Out of lockstep it averages what should be equal but for rounding: an epoch's end loses nothing.
    compression: lockstep ? compression : { codec: f32 },
  });
  const log =
    lockstep || "servers" in channel
      ? undefined
      : await openDeltaLog({ ...member, channel, length: parameters.length, codec: compression.codec });
  return {
    ...{ collective, log },
    get stats() {
      // A channel's meter counts what both ask of it.
      const traffic = "servers" in channel ? collective.stats : trafficOf(channel);
      return {
        exchangeMs: collective.stats.exchangeMs + (log?.stats.exchangeMs ?? 0),
        waitMs: collective.stats.waitMs + (log?.stats.waitMs ?? 0),
        ...{ bytesUp: traffic.bytesUp, bytesDown: traffic.bytesDown, requests: traffic.requests },
        requestsUsd: costUsd(storage) + ("servers" in channel ? 0 : costUsd(channel)),
      };
    },
    async close() {
      await collective.close();
      await closeMedium(channel);
    },
  };
}

function trafficOf({ reading }: Metered) {
  const { bytesUp, bytesDown } = reading;
  return { bytesUp, bytesDown, requests: requestCount(reading) };
}

function costUsd({ reading, capabilities: { prices } }: Channel & Metered): number {
  return prices === undefined ? 0 : usd(reading, prices);
}
