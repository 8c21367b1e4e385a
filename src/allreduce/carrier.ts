// What carries an exchange's frames, and forgets them in time: a channel, or parameter servers (ps/server-carrier.ts).

import { metered, requestCount, usd } from "../storage/layers/meter.ts";
import type { Channel } from "../storage/storage.ts";
import type { CollectiveStats } from "./collective.ts";
import type { ExchangeClock } from "./exchange-clock.ts";
import { FrameChannel } from "./frame-channel.ts";
import type { FrameCoderOptions, Frames } from "./frame-coder.ts";
import type { Lane } from "./lane.ts";
import { ResendDesk, type ResendOptions } from "./resend.ts";
import { FrameSweeper } from "./sweep.ts";

export interface Carrier {
  readonly frames: Frames;
  /** Since it was opened. */
  readonly traffic: Pick<CollectiveStats, "bytesUp" | "bytesDown" | "requests">;
  /** What requests have cost at the store's prices, in dollars; 0 where they are free. */
  readonly requestsUsd: number;
  /** A lane's next round begins. */
  opened(lane: Lane, step: number): void;
  /** See `Collective.sweep`. */
  sweep(currentStep: number, durableStep: number): Promise<void>;
  close(): Promise<void>;
}

export interface CarrierOptions extends FrameCoderOptions {
  readonly clock: ExchangeClock;
  readonly rank: number;
}

/** The channel stays open: it is its opener's. */
export function channelCarrier(
  inner: Channel,
  { askAfterMs, ...options }: CarrierOptions & Pick<ResendOptions, "askAfterMs">,
): Carrier {
  const channel = metered(inner);
  const before = { ...channel.reading };
  const { runId, rank } = options;
  const sweeper = new FrameSweeper(runId);
  const mayForget = !channel.capabilities.durable;
  const resend = mayForget ? { resend: new ResendDesk({ channel, runId, rank, askAfterMs }) } : {};
  return {
    frames: new FrameChannel({ ...options, ...resend, channel }),
    get traffic() {
      const { reading } = channel;
      return {
        bytesUp: reading.bytesUp - before.bytesUp,
        bytesDown: reading.bytesDown - before.bytesDown,
        requests: requestCount(reading) - requestCount(before),
      };
    },
    get requestsUsd() {
      const { prices } = channel.capabilities;
      return prices === undefined ? 0 : usd(channel.reading, prices);
    },
    opened: (lane, step) => sweeper.opened(lane, step),
    async sweep(currentStep, durableStep) {
      const keys = sweeper.take(currentStep, durableStep);
      if (keys.length > 0) await channel.delete(keys);
    },
    close: () => Promise.resolve(),
  };
}
