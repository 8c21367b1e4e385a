// What a run would cost on AWS Lambda: list prices as data, and arithmetic on them. Free tiers, discounts, taxes and
// the months that objects lie in storage are left out. A pure function: it reads no clock and asks no price API.

import { SltrainError } from "../errors.ts";

export type LambdaArchitecture = "x86_64" | "arm64";
export type PricedChannel = "s3" | "s3-express" | "dynamodb";

interface LambdaPrices {
  readonly gibSecondUsd: Readonly<Record<LambdaArchitecture, number>>;
  readonly invocationUsd: number;
  /** One invocation lives this long at most; a longer run starts the next one. */
  readonly maxInvocationMs: number;
}

interface ChannelPrices {
  readonly putUsd: number;
  readonly getUsd: number;
  /** Bytes that one priced request covers; larger objects count as several. Absent: any size. */
  readonly putUnitBytes?: number;
  readonly getUnitBytes?: number;
  readonly uploadGiBUsd?: number;
  readonly downloadGiBUsd?: number;
}

const KIB = 1024;
const GIB = 1024 ** 3;

/** On-demand list prices of us-east-1, first tier. */
export const AWS_PRICES = {
  region: "us-east-1",
  asOf: "2026",
  sources: [
    "https://aws.amazon.com/lambda/pricing/",
    "https://aws.amazon.com/s3/pricing/",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
  ],
  lambda: {
    gibSecondUsd: { x86_64: 1.66667e-5, arm64: 1.33334e-5 },
    invocationUsd: 0.2e-6,
    maxInvocationMs: 15 * 60 * 1000,
  } satisfies LambdaPrices,
  channels: {
    s3: { putUsd: 0.005e-3, getUsd: 0.0004e-3 },
    "s3-express": { putUsd: 0.00113e-3, getUsd: 0.00003e-3, uploadGiBUsd: 0.0032, downloadGiBUsd: 0.0006 },
    // Strongly consistent reads: one read unit for each 4 KiB.
    dynamodb: { putUsd: 0.625e-6, getUsd: 0.125e-6, putUnitBytes: KIB, getUnitBytes: 4 * KIB },
  } satisfies Record<PricedChannel, ChannelPrices>,
} as const;

/** Sums over all workers. */
export interface LambdaRun {
  readonly workers: number;
  /** Memory of one function; 1,769 MiB come with one vCPU. */
  readonly memoryMiB: number;
  /** From the start of the functions to their end, initialisation included (it is billed). */
  readonly wallMs: number;
  readonly requests: { readonly put: number; readonly get: number };
  /** Bytes that the requests carried; needed where a channel has a price per byte. Default 0. */
  readonly bytes?: { readonly up: number; readonly down: number };
  /** Default "x86_64". */
  readonly architecture?: LambdaArchitecture;
  /** Default "s3". */
  readonly channel?: PricedChannel;
}

export interface LambdaCost {
  /** Memory times time. */
  readonly computeUsd: number;
  /** Invocations of functions. */
  readonly requestsUsd: number;
  /** Requests to the channel, and its price per byte. */
  readonly storageUsd: number;
  readonly totalUsd: number;
}

/** List-price estimate of one run, in US dollars. Throws SltrainError "cost-bad-number" for what is no amount. */
export function estimateLambdaCostUsd(run: LambdaRun): LambdaCost {
  const { workers, memoryMiB, wallMs, requests, bytes = { up: 0, down: 0 } } = run;
  const { architecture = "x86_64", channel = "s3" } = run;
  const amounts = { workers, memoryMiB, wallMs, ...requests, bytesUp: bytes.up, bytesDown: bytes.down };
  for (const [name, amount] of Object.entries(amounts)) {
    if (amount >= 0 && amount < Infinity) continue;
    throw new SltrainError({
      code: "cost-bad-number",
      message: `lambda cost: expected ${name} to be a number from 0, got ${amount}`,
    });
  }

  const { lambda, channels } = AWS_PRICES;
  // Time is billed in whole milliseconds.
  const computeUsd =
    workers * (memoryMiB / 1024) * (Math.ceil(wallMs) / 1000) * lambda.gibSecondUsd[architecture];
  const requestsUsd =
    workers * Math.max(1, Math.ceil(wallMs / lambda.maxInvocationMs)) * lambda.invocationUsd;
  const storageUsd = channelCostUsd(channels[channel], requests, bytes);
  return { computeUsd, requestsUsd, storageUsd, totalUsd: computeUsd + requestsUsd + storageUsd };
}

function channelCostUsd(
  prices: ChannelPrices,
  requests: { put: number; get: number },
  bytes: { up: number; down: number },
): number {
  const putUnits = requests.put * unitsPerRequest(bytes.up, requests.put, prices.putUnitBytes);
  const getUnits = requests.get * unitsPerRequest(bytes.down, requests.get, prices.getUnitBytes);
  const byteUsd = (bytes.up * (prices.uploadGiBUsd ?? 0) + bytes.down * (prices.downloadGiBUsd ?? 0)) / GIB;
  return putUnits * prices.putUsd + getUnits * prices.getUsd + byteUsd;
}

/** Priced units of a request of mean size: as if all requests were equally large. */
function unitsPerRequest(totalBytes: number, requests: number, unitBytes: number | undefined): number {
  if (unitBytes === undefined || requests === 0) return 1;
  return Math.max(1, Math.ceil(totalBytes / requests / unitBytes));
}
