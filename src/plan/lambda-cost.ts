// What a run would cost on AWS Lambda: list prices as data, and arithmetic on them. Free tiers, discounts, taxes and
// the months that objects lie in storage are left out. A pure function: it reads no clock and asks no price API.

import { SltrainError } from "../errors.ts";
import { REQUEST_PRICES, requestsUsd, type PricedStore } from "../storage/prices.ts";

export type LambdaArchitecture = "x86_64" | "arm64";

interface LambdaPrices {
  readonly gibSecondUsd: Readonly<Record<LambdaArchitecture, number>>;
  readonly invocationUsd: number;
  /** One invocation lives this long at most; a longer run starts the next one. */
  readonly maxInvocationMs: number;
}

/** On-demand list prices of us-east-1, first tier. */
export const AWS_PRICES = {
  region: "us-east-1",
  asOf: "2026",
  sources: ["https://aws.amazon.com/lambda/pricing/"],
  lambda: {
    gibSecondUsd: { x86_64: 1.66667e-5, arm64: 1.33334e-5 },
    invocationUsd: 0.2e-6,
    maxInvocationMs: 15 * 60 * 1000,
  } satisfies LambdaPrices,
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
  readonly channel?: PricedStore;
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

  const { lambda } = AWS_PRICES;
  // Time is billed in whole milliseconds.
  const computeUsd =
    workers * (memoryMiB / 1024) * (Math.ceil(wallMs) / 1000) * lambda.gibSecondUsd[architecture];
  const invocationsUsd =
    workers * Math.max(1, Math.ceil(wallMs / lambda.maxInvocationMs)) * lambda.invocationUsd;
  const storageUsd = requestsUsd(REQUEST_PRICES[channel], {
    puts: requests.put,
    gets: requests.get,
    bytesUp: bytes.up,
    bytesDown: bytes.down,
  });
  return {
    computeUsd,
    requestsUsd: invocationsUsd,
    storageUsd,
    totalUsd: computeUsd + invocationsUsd + storageUsd,
  };
}
