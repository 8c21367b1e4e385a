// What a channel gives one process: latency of small requests, bandwidth of large ones. Planners and `storage check` use
// it; a server that many processes share gives each of them less than this (bench/exchange/ measures that).

import { randomFillSync } from "node:crypto";
import type { Channel } from "../storage.ts";

export interface ChannelProfile {
  /** Of an object of 64 bytes: median, and the latency that nine of ten requests stay below. */
  readonly putLatencyMs: number;
  readonly putLatencyP90Ms: number;
  readonly getLatencyMs: number;
  readonly getLatencyP90Ms: number;
  /** 1e6 bytes a second beyond the latency; medians of one request at a time, */
  readonly upMBs: number;
  readonly downMBs: number;
  /** and of `parallel` requests at once, all together. */
  readonly parallelUpMBs: number;
  readonly parallelDownMBs: number;
  readonly parallel: number;
  readonly valueBytes: number;
}

export interface MeasureOptions {
  /** Objects lie under it while they are measured; it ends in a slash. */
  readonly folder: string;
  /** Of what is sent for bandwidth. Default 8 MiB, or what the channel can hold. */
  readonly valueBytes?: number;
  /** Default 4. */
  readonly parallel?: number;
  /** Repeats end after it, but each request is timed three times at least. Default 1,500 for each kind. */
  readonly budgetMs?: number;
}

const SMALL_BYTES = 64;
const VALUE_BYTES = 8 * 1024 * 1024;
const MIN_REPEATS = 3;
const LATENCY_REPEATS = 30;
const BANDWIDTH_REPEATS = 9;
/** Of a transfer's time: what noise may take for latency. */
const MOST_LATENCY_SHARE = 0.5;

/** Leaves nothing behind unless it is interrupted. Throws what the channel throws. */
export async function measureChannel(channel: Channel, options: MeasureOptions): Promise<ChannelProfile> {
  const { folder, parallel = 4, budgetMs = 1500 } = options;
  const valueBytes = options.valueBytes ?? Math.min(VALUE_BYTES, channel.capabilities.maxValueBytes);
  const keys = Array.from({ length: parallel }, (_, i) => `${folder}value-${i}`);
  const small = `${folder}small`;
  // Random, so that nothing on the way can make it smaller; shared, as the memory of kernels is.
  const value = randomFillSync(new Uint8Array(new SharedArrayBuffer(valueBytes)));
  const targets = keys.map(() => new Uint8Array(new SharedArrayBuffer(valueBytes)));
  const put = (i: number): Promise<unknown> => channel.put(keys[i]!, [value]);
  const get = (i: number): Promise<unknown> => channel.get({ key: keys[i]! }, targets[i]);

  const time = async (most: number, requests: () => Promise<unknown>): Promise<number[]> => {
    const timesMs: number[] = [];
    const untilMs = performance.now() + budgetMs;
    while (timesMs.length < MIN_REPEATS || (timesMs.length < most && performance.now() < untilMs)) {
      const beganMs = performance.now();
      await requests();
      timesMs.push(performance.now() - beganMs);
    }
    return timesMs.sort((a, b) => a - b);
  };
  try {
    // The first request of all makes a connection, which later ones find made.
    await channel.put(small, [value.subarray(0, SMALL_BYTES)]);
    const putMs = await time(LATENCY_REPEATS, () => channel.put(small, [value.subarray(0, SMALL_BYTES)]));
    const getMs = await time(LATENCY_REPEATS, () => channel.get({ key: small }, targets[0]));
    const [putLatencyMs, getLatencyMs] = [quantile(putMs, 0.5), quantile(getMs, 0.5)];
    const bandwidth = async (
      values: number,
      latencyMs: number,
      request: (i: number) => Promise<unknown>,
    ): Promise<number> => {
      const all = (): Promise<unknown> => Promise.all(keys.slice(0, values).map((_, i) => request(i)));
      const tookMs = quantile(await time(BANDWIDTH_REPEATS, all), 0.5);
      const carryMs = Math.max(tookMs - latencyMs, tookMs * MOST_LATENCY_SHARE);
      return (values * valueBytes) / carryMs / 1000;
    };
    return {
      ...{ putLatencyMs, putLatencyP90Ms: quantile(putMs, 0.9) },
      ...{ getLatencyMs, getLatencyP90Ms: quantile(getMs, 0.9) },
      upMBs: await bandwidth(1, putLatencyMs, put),
      parallelUpMBs: await bandwidth(parallel, putLatencyMs, put),
      downMBs: await bandwidth(1, getLatencyMs, get),
      parallelDownMBs: await bandwidth(parallel, getLatencyMs, get),
      ...{ parallel, valueBytes },
    };
  } finally {
    await channel.delete([small, ...keys]);
  }
}

/** Of times in ascending order. */
function quantile(timesMs: readonly number[], share: number): number {
  return timesMs[Math.floor(share * (timesMs.length - 1))]!;
}
