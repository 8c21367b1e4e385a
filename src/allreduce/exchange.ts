// An exchange: one rank's side of all that a run reduces, in lanes that share a carrier of their frames and a clock.

import { assert, SltrainError } from "../errors.ts";
import type { ZstdMode } from "../shard/zstd-trial.ts";
import { loadZstd } from "../shard/zstd.ts";
import { FUNCTION_USD_PER_SECOND } from "../storage/prices.ts";
import { type Carrier, channelCarrier } from "./carrier.ts";
import type {
  CollectiveState,
  CollectiveStats,
  OwnPiece,
  Round,
  RoundOptions,
  RoundResult,
} from "./collective.ts";
import { ExchangeClock } from "./exchange-clock.ts";
import type { OnLate } from "./frame-coder.ts";
import { Lane, type LaneOptions } from "./lane.ts";
import type { Medium } from "./medium.ts";
import { served } from "./patterns/served.ts";
import { NO_SCALARS } from "./rank-ordered-sum.ts";
import { ASK_AFTER_MS } from "./resend.ts";
import { LaneRound } from "./round.ts";

/** Who exchanges, and through what. */
export interface ExchangeMember {
  /** Parameter servers merge by themselves, so each lane's pattern is theirs. */
  readonly channel: Medium;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  /** How often this rank was started before; 0 for the first start. */
  readonly generation: number;
  /** Of the run: decides stochastic rounding. */
  readonly seed: number;
  /**
   * Whether a rank that starts anew from the same state sends the same: what it finds of an earlier start must then be
   * what it would have sent. Default true.
   */
  readonly repeatable?: boolean;
  /**
   * Share of the parts of a sum with which a merger makes the mean when the others are late, at least one half: the mean
   * says whose parts are missing, and they come with the next round. Only for patterns of one level. Default 1.
   */
  readonly quorum?: number;
  /** A rank that is waited for is late after the time in which its frames usually come, but never before so long. */
  readonly leaseMs?: number;
  /** Told of ranks that are late, again in every round and of every object; may be one that itself waits for another. */
  readonly onLate?: OnLate;
  /** On a channel that may forget: an object that has not come for so long is asked for again. */
  readonly askAfterMs?: number;
}

export interface ExchangeOptions<Name extends string> extends ExchangeMember {
  /** Whether payloads are compressed: never, where it makes them smaller, or where that saves time or money. */
  readonly zstd: ZstdMode;
  /** In an order that is the same on every rank. */
  readonly lanes: Readonly<Record<Name, LaneOptions>>;
}

export interface Exchange<Name extends string> {
  /** The current reading. */
  readonly stats: CollectiveStats;
  /** See `Collective.state`; names begin with their lane's. */
  readonly state: CollectiveState;
  restore(state: CollectiveState): void;
  /** Opens a lane's next round. Rounds of several lanes may be open at a time. */
  begin(lane: Name, options: RoundOptions): Round;
  /**
   * The next rounds of these lanes, where an earlier start of this rank left all their means: ready to be finished,
   * without any push. See `Collective.replay`.
   */
  replay(lanes: readonly Name[], options: RoundOptions): Promise<readonly Round[] | undefined>;
  /** See `Collective.ownPieces`. */
  ownPieces(lane: Name): readonly OwnPiece[];
  /** See `Collective.inherit`: a round of these lanes. */
  inherit(lanes: readonly Name[], step: number): void;
  /** See `Collective.sweep`. */
  sweep(currentStep: number, durableStep: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * One rank needs no storage: its mean goes the same way through codec and division. Throws "rank-invalid",
 * "reduce-invalid", and of parameter servers "ps-unauthorized", "ps-full", "ps-unreachable", "run-differs".
 */
export async function openExchange<Name extends string>(
  options: ExchangeOptions<Name>,
): Promise<Exchange<Name>> {
  const { runId, rank, worldSize, generation, seed } = options;
  if (!Number.isInteger(rank) || rank < 0 || rank >= worldSize) {
    throw new SltrainError({
      code: "rank-invalid",
      message: `collective: expected a rank below ${worldSize}, but got ${rank}`,
    });
  }
  const { channel } = options;
  const clock = new ExchangeClock();
  const coder = { runId, generation, zstd: await loadZstd() };
  const reduce = "servers" in channel ? { reduce: served(channel.servers.length), packed: false } : {};
  const named = Object.entries<LaneOptions>(options.lanes).map(
    ([name, lane]) => [name, { ...lane, ...reduce }] as const,
  );
  let carrier: Carrier;
  if ("servers" in channel) {
    // Loads the HTTP client.
    const { serverCarrier } = await import("./ps/server-carrier.ts");
    const laneOptions = named.map(([, lane]) => lane);
    carrier = await serverCarrier(channel, { ...coder, clock, rank, worldSize, seed, lanes: laneOptions });
  } else {
    carrier = channelCarrier(channel, {
      ...coder,
      clock,
      rank,
      askAfterMs: options.askAfterMs ?? ASK_AFTER_MS,
    });
  }
  const { frames } = carrier;
  const { leaseMs = 0, quorum = 1, repeatable = true, onLate } = options;
  const costUsd = (): number =>
    ((clock.exchangeMs + clock.waitMs) / 1000) * FUNCTION_USD_PER_SECOND + carrier.requestsUsd;
  /** Whether all ranks are known to have finished the round before the last. */
  let allAreNear = true;
  const finished = (isComplete: boolean): void => {
    allAreNear &&= isComplete;
  };
  const group = {
    ...{ rank, worldSize, generation, seed, repeatable, quorum, finished, leaseMs, onLate, frames, clock },
    ...{ zstd: options.zstd, costUsd },
  };
  const lanes = new Map<string, Lane>(
    named.map(([name, lane], number) => [name, new Lane({ number, ...group }, lane)]),
  );

  return {
    get stats() {
      const { exchangeMs, waitMs } = clock;
      const [first] = lanes.values();
      const { traffic, requestsUsd } = carrier;
      return { exchangeMs, waitMs, ...traffic, requestsUsd, zstd: first!.zstd.verdict };
    },
    get state() {
      return Object.assign(
        {},
        ...[...lanes].map(([name, lane]) => lane.state(`${name}/`)),
      ) as CollectiveState;
    },
    restore(state) {
      for (const [name, lane] of lanes) lane.restore(state, `${name}/`);
    },
    begin(name, round) {
      assert(Number.isInteger(round.step) && round.step >= 0, `a step is a whole number, not ${round.step}`);
      assert(
        Number.isFinite(round.weight) && round.weight >= 0,
        `a weight is at least 0, not ${round.weight}`,
      );
      const lane = lanes.get(name)!;
      allAreNear = true;
      if (worldSize > 1) carrier.opened(lane, round.step);
      return new LaneRound(lane, round);
    },
    async replay(names, options) {
      const own = names.map((name) => lanes.get(name)!);
      // Servers keep means to themselves until a rank has sent its part.
      // What was left out of a round is made of the rank's own sums.
      if ("servers" in channel || quorum < 1 || !own.every((lane) => lane.replaying)) return undefined;
      const rounds = own.map((lane) => new LaneRound(lane, options));
      const found = await clock.finishing(() => Promise.all(rounds.map((round) => round.replay())));
      if (found.includes(false)) return undefined;
      for (const lane of own) carrier.opened(lane, options.step);
      return rounds;
    },
    ownPieces: (name) => lanes.get(name)!.ownPieces,
    inherit(names, step) {
      for (const name of names) carrier.opened(lanes.get(name)!, step);
    },
    async sweep(currentStep, durableStep) {
      // Who was left out of a round may be far behind, and need all that is there.
      if (allAreNear) await carrier.sweep(currentStep, durableStep);
    },
    close: () => carrier.close(),
  };
}

const NO_VALUES = new Float32Array(0);

/** A round of a lane without values, for what rides with frames: scalars (f64, added in rank order) and weights. */
export function scalarsAlone(round: Round, scalars: Float64Array): Promise<RoundResult> {
  round.push(0, NO_VALUES);
  return round.finish(scalars, NO_VALUES);
}

/** The same of an earlier start of this rank; see `Collective.replayScalars`. */
export async function replayedScalars<Name extends string>(
  exchange: Exchange<Name>,
  lane: Name,
  options: RoundOptions,
): Promise<RoundResult | undefined> {
  const rounds = await exchange.replay([lane], options);
  return rounds?.[0]!.finish(NO_SCALARS, NO_VALUES);
}
