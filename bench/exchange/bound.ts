// The least time of a round that a channel allows, by what it gave its ranks when they only put and read.

import type { ChannelProfile } from "./channel-profile.ts";

export interface RoundBytes {
  /** Of one rank. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** A rank's sums go to their owners, and the means back from them. */
const PHASES = 2;

/** phases * (put + get latency) + bytes up / bandwidth up + bytes down / bandwidth down. */
export function roundBoundMs(profile: ChannelProfile, { bytesUp, bytesDown }: RoundBytes): number {
  const { putLatencyMs, getLatencyMs, upMBs, downMBs } = profile;
  return PHASES * (putLatencyMs + getLatencyMs) + (bytesUp / upMBs + bytesDown / downMBs) / 1e3;
}
