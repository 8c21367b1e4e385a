// How many owners a round of ScatterReduce should have where requests have a price: each owner costs a read for every
// rank's sums and one for every rank's mean, and few owners make the others wait while they read everything. What a
// round costs is its requests and the functions' time, so the number of owners with the lowest cost weighs both.

import { FUNCTION_USD_PER_SECOND, type RequestPrices } from "../../storage/prices.ts";

/** Between a Lambda function and S3: Jiang et al., LambdaML, SIGMOD 2021, table 6. */
const BANDWIDTH_BYTES_PER_S = 65e6;
/** Processor time of a request (docs/adr/0008): what of many requests at once does not overlap. */
const REQUEST_S = 0.0006;

export interface OwnersJob {
  readonly worldSize: number;
  /** Of the bucket, as it travels. */
  readonly sizeBytes: number;
  readonly prices: RequestPrices;
}

/** US dollars of one round of all ranks, without the latencies that every number of owners has. */
export function roundUsd({ worldSize, sizeBytes, prices }: OwnersJob, owners: number): number {
  const peers = worldSize - 1;
  const requestsUsd = (worldSize + owners) * prices.putUsd + 2 * owners * peers * prices.getUsd;
  // The slowest is an owner: it sends its sums, reads its share of all others', and the other owners' means.
  const ownBytes = sizeBytes * (1 + peers / owners + (owners - 1) / owners);
  const seconds = ownBytes / BANDWIDTH_BYTES_PER_S + (peers + owners) * REQUEST_S;
  return requestsUsd + worldSize * seconds * FUNCTION_USD_PER_SECOND;
}

/** The fewest owners of the lowest cost; a pure function, so that all ranks find the same. */
export function cheapestOwners(job: OwnersJob): number {
  let owners = 1;
  for (let more = 2; more <= job.worldSize; more++) {
    if (roundUsd(job, more) < roundUsd(job, owners)) owners = more;
  }
  return owners;
}
