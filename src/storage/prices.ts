// What a store costs: list prices as data, and arithmetic on those of its requests. Free tiers, discounts and taxes are
// left out.

export type PricedStore = "s3" | "s3-express" | "dynamodb";

export interface RequestPrices {
  readonly putUsd: number;
  readonly getUsd: number;
  readonly listUsd: number;
  readonly deleteUsd: number;
  /** Bytes that one priced request covers; larger values count as several. Absent: any size. */
  readonly putUnitBytes?: number;
  readonly getUnitBytes?: number;
  readonly uploadGiBUsd?: number;
  readonly downloadGiBUsd?: number;
  /** A GiB that lies there for a month. */
  readonly heldGiBMonthUsd: number;
}

const KIB = 1024;
const GIB = 1024 ** 3;

/**
 * On-demand list prices of us-east-1, first tier, as of 2026: https://aws.amazon.com/s3/pricing/ and
 * https://aws.amazon.com/dynamodb/pricing/on-demand/. A list of DynamoDB's is a query, a delete a write.
 */
export const REQUEST_PRICES: Readonly<Record<PricedStore, RequestPrices>> = {
  s3: { putUsd: 0.005e-3, getUsd: 0.0004e-3, listUsd: 0.005e-3, deleteUsd: 0, heldGiBMonthUsd: 0.023 },
  "s3-express": {
    ...{ putUsd: 0.00113e-3, getUsd: 0.00003e-3, listUsd: 0.00113e-3, deleteUsd: 0 },
    ...{ uploadGiBUsd: 0.0032, downloadGiBUsd: 0.0006, heldGiBMonthUsd: 0.11 },
  },
  // Strongly consistent reads: one read unit for each 4 KiB.
  dynamodb: {
    ...{ putUsd: 0.625e-6, getUsd: 0.125e-6, listUsd: 0.125e-6, deleteUsd: 0.625e-6 },
    ...{ putUnitBytes: KIB, getUnitBytes: 4 * KIB, heldGiBMonthUsd: 0.25 },
  },
};

/** What waiting for requests costs: one vCPU of AWS Lambda (1,769 MB, x86), as of 2026: https://aws.amazon.com/lambda/pricing/ */
export const FUNCTION_USD_PER_SECOND = (1769 / 1024) * 1.66667e-5;

/** How many requests of each kind, and the bytes that they carried. */
export interface RequestCounts {
  readonly puts: number;
  /** Those that found nothing included. */
  readonly gets: number;
  readonly lists?: number;
  readonly deletes?: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** US dollars. */
export function requestsUsd(prices: RequestPrices, counts: RequestCounts): number {
  const { puts, gets, lists = 0, deletes = 0, bytesUp, bytesDown } = counts;
  return (
    puts * unitsPerRequest(bytesUp, puts, prices.putUnitBytes) * prices.putUsd +
    gets * unitsPerRequest(bytesDown, gets, prices.getUnitBytes) * prices.getUsd +
    lists * prices.listUsd +
    deletes * prices.deleteUsd +
    (bytesUp * (prices.uploadGiBUsd ?? 0) + bytesDown * (prices.downloadGiBUsd ?? 0)) / GIB
  );
}

/** Priced units of a request of mean size: as if all requests were equally large. */
function unitsPerRequest(totalBytes: number, requests: number, unitBytes: number | undefined): number {
  if (unitBytes === undefined || requests === 0) return 1;
  return Math.max(1, Math.ceil(totalBytes / requests / unitBytes));
}
