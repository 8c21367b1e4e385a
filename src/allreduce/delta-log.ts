// Updates that need no round: each rank appends its own of every step, in objects that only it writes, and adds those of
// its peers that are there to its parameters. Every update is added exactly once by every rank, whatever the timing and
// whoever starts anew; nobody locks, lists, or rewrites what another may read. (Ho et al. 2013, section 3, keep such
// sums in servers' tables; SIREN, Wang et al. 2019, lets workers overwrite one model, which loses updates.)
//
// Objects are swept by their owner once all peers have let go of them, which they say in their own objects.

import { SltrainError } from "../errors.ts";
import { philox4x32 } from "../random.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { smallerForm } from "../shard/codec/f32-sparse.ts";
import { encodeWithFeedback } from "../shard/error-feedback.ts";
import { maxFrameBytes } from "../shard/payload.ts";
import type { ZstdMode } from "../shard/zstd-trial.ts";
import { loadZstd } from "../shard/zstd.ts";
import type { Channel } from "../storage/storage.ts";
import type { CollectiveState } from "./collective.ts";
import { ExchangeClock } from "./exchange-clock.ts";
import { FrameChannel } from "./frame-channel.ts";
import type { ExpectedObject, OnLate, Received } from "./frame-coder.ts";
import { frameKey } from "./keys.ts";
import { LaneMemory } from "./lane-memory.ts";
import { type Coded, NO_ABSENT, NO_PEAKS } from "./rank-ordered-sum.ts";

const NOTHING_MORE = { peaks: NO_PEAKS, absent: NO_ABSENT };
/** Apart from the lanes of collectives. */
const DELTA_LANE = 255;
/** Peers whose updates are read at a time: each takes a buffer. */
const READERS = 4;
/** Steps between two sweeps: one request deletes many keys. */
const SWEEP_STEPS = 16;

export interface DeltaLogOptions {
  readonly channel: Channel;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  /** How often this rank was started before. */
  readonly generation: number;
  /** Decides stochastic rounding. */
  readonly seed: number;
  /** A peer that is waited for is late after so long. Default 0. */
  readonly leaseMs?: number;
  readonly onLate?: OnLate;
  /** Elements of an update. */
  readonly length: number;
  readonly codec: Codec;
  /** "auto" compresses as "on" does: where it makes the update smaller. */
  readonly zstd: ZstdMode;
}

export interface FoldOptions {
  /** Waits for the peers' updates of all steps before this one. */
  readonly until: number;
  /** Reads none of this step or later. */
  readonly before: number;
  /** Longest wait for a peer. */
  readonly timeoutMs: number;
  /** Ends a wait for a peer, which then throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Throws SltrainError "storage-unsupported" if the channel has no conditional put: without it a rank that starts anew
 * would rewrite what its peers have added already.
 */
export async function openDeltaLog(options: DeltaLogOptions): Promise<DeltaLog> {
  const { channel, runId, generation } = options;
  if (!channel.capabilities.conditionalPut) {
    throw new SltrainError({
      code: "storage-unsupported",
      message: `--sync: expected a channel that can put an object if it is absent, got ${channel.uri}`,
      suggestions: ["Use --sync bsp, or another --channel."],
    });
  }
  const clock = new ExchangeClock();
  const frames = new FrameChannel({ channel, runId, generation, zstd: await loadZstd(), clock });
  return new DeltaLog(options, frames, clock);
}

type Members = Pick<DeltaLogOptions, "worldSize" | "length" | "codec">;

/** Bytes of the updates that lie in the channel at most, where no rank is more than `staleness` steps ahead. */
export function deltaLogBytes({ worldSize, length, codec }: Members, staleness: number): number {
  if (worldSize === 1) return 0;
  // A peer that is the staleness behind may itself have read as much less, and says so with its next update.
  const kept = 2 * staleness + 2 + SWEEP_STEPS;
  return worldSize * kept * maxFrameBytes(codec, length, worldSize, 0);
}

/** The largest staleness, at most `wanted`, with which the log takes no more than `maxBytes`; at least 0. */
export function stalenessWithin(maxBytes: number, members: Members, wanted: number): number {
  const [none, one] = [deltaLogBytes(members, 0), deltaLogBytes(members, 1)];
  if (one === none) return wanted;
  return Math.min(wanted, Math.max(0, Math.floor((maxBytes - none) / (one - none))));
}

export class DeltaLog {
  readonly #options: DeltaLogOptions;
  readonly #frames: FrameChannel;
  readonly #clock: ExchangeClock;
  readonly #memory = new LaneMemory();
  readonly #buffers: Uint8Array[];
  readonly #decoded: Float32Array;
  /** What a biased codec owes. */
  readonly #residual: Float32Array;
  /** By rank: the step of its next update to add; of this rank, to append. */
  readonly #positions: Int32Array;
  /** By rank: it will not ask this rank for updates before this step; of this rank, those before it are deleted. */
  readonly #kept: Int32Array;
  /** By rank: this one will not ask it for updates before this step. */
  #released: Float64Array;

  constructor(options: DeltaLogOptions, frames: FrameChannel, clock: ExchangeClock) {
    const { worldSize, length, codec } = options;
    this.#options = options;
    this.#frames = frames;
    this.#clock = clock;
    const frameBytes = maxFrameBytes(codec, length, worldSize, 0);
    this.#buffers = Array.from(
      { length: Math.max(1, Math.min(READERS, worldSize - 1)) },
      () => new Uint8Array(frameBytes),
    );
    this.#decoded = new Float32Array(length);
    this.#residual = new Float32Array(codec.biased ? length : 0);
    this.#positions = new Int32Array(worldSize);
    this.#kept = new Int32Array(worldSize);
    this.#released = new Float64Array(worldSize);
  }

  /** Time in `append` and `fold`. */
  get stats(): { readonly exchangeMs: number; readonly waitMs: number } {
    return this.#clock;
  }

  /** By rank: the steps before this are added. A view. */
  get positions(): Int32Array {
    return this.#positions;
  }

  /** What a restarted rank needs, beside its parameters. Views, valid until the next call. */
  get state(): CollectiveState {
    return { positions: this.#positions, kept: this.#kept, residual: this.#residual };
  }

  restore({ positions, kept, residual }: CollectiveState): void {
    this.#positions.set(positions!);
    this.#kept.set(kept!);
    this.#residual.set(residual!);
    this.#released = Float64Array.from(this.#positions);
  }

  /** All ranks have the same parameters before `step`: nothing of earlier steps is asked for again. */
  begin(step: number): void {
    this.#positions.fill(step);
    this.#kept.fill(step);
    this.release();
  }

  /** What was added so far will not be asked for again: it is durable, or this rank never starts anew from here. */
  release(): void {
    this.#released = Float64Array.from(this.#positions);
  }

  /**
   * Adds this rank's next update to `parameters`, as its codec wrote it, and appends it. If an earlier start of this rank
   * has appended that step, its update is taken instead.
   */
  async append(update: Float32Array, parameters: Float32Array): Promise<void> {
    const { rank, worldSize, length, zstd } = this.#options;
    const step = this.#positions[rank]!++;
    await this.#clock.finishing(() =>
      this.#clock.working(async () => {
        const coded = this.#encode(update, step);
        this.#decode(coded);
        add(parameters, this.#decoded);
        if (worldSize === 1) return;
        const address = this.#address(rank, step);
        const packed = await this.#frames.pack(coded, zstd !== "off");
        const contribution = { contributors: 1, weight: 0, scalars: this.#released, ...NOTHING_MORE };
        const parts = this.#frames.frame({ address, elements: length }, packed, contribution);
        if ((await this.#frames.put(address, parts)) === "exists") {
          this.#decode(coded);
          const mine = this.#decoded.slice();
          const [earlier] = (await this.#frames.read(this.#expected(rank, step, this.#buffers[0]!))) ?? [];
          if (earlier === undefined) throw deleted(this.#frames.keyOf(address));
          this.#decode(earlier.values);
          replace(parameters, mine, this.#decoded);
          replace(this.#residual, this.#decoded, mine);
        }
      }),
    );
  }

  /** An update that is mostly zeros, as those of models over sparse rows are, in their form. */
  #encode(update: Float32Array, step: number): Coded {
    const { rank, seed, zstd } = this.#options;
    const codec = smallerForm(this.#options.codec, update, zstd !== "off");
    const room = this.#memory.room(codec, 0, 0, 0, update.length);
    const random = new Uint32Array(4);
    philox4x32(step, rank, DELTA_LANE, 0, seed, 0, random);
    const encoded = codec.biased
      ? encodeWithFeedback(codec, update, this.#residual, room, random[0]!)
      : codec.encode(update, room, random[0]!);
    return { codec, encoded };
  }

  #decode({ codec, encoded }: Coded): void {
    codec.decode(encoded, this.#decoded);
  }

  /** Adds the peers' updates that are there, each once. Throws "peer-missing" naming the rank. */
  async fold(parameters: Float32Array, options: FoldOptions): Promise<void> {
    const { rank, worldSize } = this.#options;
    const peers = Array.from({ length: worldSize }, (_, peer) => peer).filter((peer) => peer !== rank);
    await this.#clock.finishing(async () => {
      await Promise.all(
        this.#buffers.map(async (buffer) => {
          for (let peer = peers.pop(); peer !== undefined; peer = peers.pop()) {
            await this.#foldPeer(peer, parameters, options, buffer);
          }
        }),
      );
    });
  }

  async #foldPeer(
    peer: number,
    parameters: Float32Array,
    { until, before, timeoutMs, signal }: FoldOptions,
    buffer: Uint8Array,
  ): Promise<void> {
    while (this.#positions[peer]! < before) {
      const expected = this.#expected(peer, this.#positions[peer]!, buffer);
      if (this.#positions[peer]! < until) {
        const { leaseMs = 0, onLate: tell } = this.#options;
        const late = tell && { late: { afterMs: leaseMs, tell } };
        const wait = { timeoutMs, ...(signal && { signal }), ...late };
        await this.#frames.receive([expected], wait, ([frame]) => this.#add(peer, frame!, parameters));
        continue;
      }
      const [frame] = (await this.#clock.working(() => this.#frames.read(expected))) ?? [];
      if (frame === undefined) return;
      this.#add(peer, frame, parameters);
    }
  }

  #add(peer: number, { values, scalars }: Received, parameters: Float32Array): void {
    this.#decode(values);
    add(parameters, this.#decoded);
    this.#positions[peer]!++;
    this.#kept[peer] = scalars[this.#options.rank]!;
  }

  /** Deletes own updates that no peer may ask for any more, every few steps; with `all`, those that are left. */
  async sweep({ all = false }: { readonly all?: boolean } = {}): Promise<void> {
    const { channel, runId, rank, worldSize } = this.#options;
    if (worldSize === 1) return;
    const own = this.#positions[rank]!;
    const begin = this.#kept[rank]!;
    const end = all ? own : Math.min(...this.#kept.map((step, peer) => (peer === rank ? own : step)));
    if (end - begin < (all ? 1 : SWEEP_STEPS)) return;
    const steps = Array.from({ length: end - begin }, (_, i) => begin + i);
    await channel.delete(steps.map((step) => frameKey(runId, this.#address(rank, step))));
    this.#kept[rank] = end;
  }

  #address(rank: number, step: number) {
    return { lane: DELTA_LANE, level: 0, step, bucket: 0, piece: 0, rank };
  }

  #expected(rank: number, step: number, into: Uint8Array): ExpectedObject {
    const { length, codec } = this.#options;
    const address = this.#address(rank, step);
    return { address, frames: [{ address, elements: length }], codec, into };
  }
}

function add(values: Float32Array, more: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i]! += more[i]!;
}

/** Takes `old` from the values and adds `other`. */
function replace(values: Float32Array, old: Float32Array, other: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i]! += other[i]! - old[i]!;
}

function deleted(key: string): SltrainError {
  return new SltrainError({
    code: "frame-missing",
    message: `delta log: expected ${key}, which another start of this rank wrote, but it was deleted since`,
  });
}
