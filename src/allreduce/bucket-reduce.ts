// One bucket of one round on one rank: executes the bucket's plan. Publishes its own sums, merges level by level what
// the plan gives it to merge, and collects the means, its own included, as they were written: all ranks decode the same
// bytes.

import { SltrainError } from "../errors.ts";
import type { FrameAddress } from "../shard/frame.ts";
import type { ElementRange } from "../shard/layout.ts";
import type { ExpectedObject, Packed, Received } from "./frame-coder.ts";
import type { Lane } from "./lane.ts";
import type { Merge, Piece, ReducePlan, Writer } from "./pattern.ts";
import { type Contribution, NO_ABSENT, NO_SCALARS, RankOrderedSum } from "./rank-ordered-sum.ts";
import { refuseFork, type Statement } from "./refuse-fork.ts";
import { packSlots, slotBytesFor, slotRange } from "./slots.ts";

/** A merger may be waiting for the part of a third rank. Whoever waits for that part as well shall name the rank first. */
const PATIENCE_PER_LEVEL = 0.25;

/** What the buckets of a round have in common. */
export interface RoundContext {
  readonly step: number;
  readonly weight: number;
  readonly timeoutMs: number;
  readonly beganMs: number;
  readonly signal: AbortSignal;
  /** Given when the round is to be finished. */
  readonly scalars: Promise<Float64Array>;
  /** Ends the round of all buckets. */
  fail(error: unknown): void;
}

/** What a rank has summed up of a range, and what belongs to it. */
interface Held extends ElementRange {
  readonly values: Float32Array | Float64Array;
  readonly contribution: Contribution;
}

export class BucketReduce {
  readonly #lane: Lane;
  readonly #round: RoundContext;
  readonly #bucket: number;
  readonly #plan: ReducePlan;
  readonly #range: ElementRange;
  readonly #puts: Promise<unknown>[] = [];
  readonly #means: (Received | undefined)[];
  /** This rank's sums as they were encoded, by their first element. */
  readonly #sent = new Map<number, Packed>();
  /** The means that it gave were those of an earlier start of this rank. */
  adopted = false;

  constructor(lane: Lane, round: RoundContext, bucket: number) {
    this.#lane = lane;
    this.#round = round;
    this.#bucket = bucket;
    this.#plan = lane.plans[bucket]!;
    this.#range = lane.options.buckets[bucket]!;
    this.#means = this.#plan.means.map(() => undefined);
  }

  /**
   * The means, in the order of the plan's; their values view this rank's memory of the lane. When they are there, nobody
   * reads `sums` and `words` any more; see `Round.push`.
   */
  async run(sums: Float32Array, words?: Float32Array): Promise<readonly Received[]> {
    const { rank, worldSize, frames } = this.#lane.group;
    const scalars = this.#isLast ? await this.#round.scalars : NO_SCALARS;
    const peaks = new Uint32Array(this.#lane.peaks.length);
    const { weight } = this.#round;
    const contribution = { contributors: 1, weight, scalars, peaks, absent: NO_ABSENT };
    let held: Held | undefined = { ...this.#range, values: sums, contribution };
    this.#lane.stragglers.note(rank, performance.now() - this.#round.beganMs);
    this.#publish(0, held, sums, words);
    this.adopted = this.#lane.replaying && (await this.#adopt());
    if (!this.adopted) {
      for (let level = 1; level <= this.#plan.levels; level++) {
        const merge = this.#plan.merge(level, rank);
        held = merge && (await this.#merge(level, merge, held));
      }
      if (worldSize > 1) await this.#receiveMeans();
    }
    await Promise.all(this.#puts);
    this.#keepLeftOut();
    const { lane, step, bucket } = this.#address(0, 0);
    await frames.release({ lane, step, bucket });
    return this.#means as readonly Received[];
  }

  /** The means of an earlier start of this rank, as `run` gives them; undefined if one of them is not there. */
  async replay(): Promise<readonly Received[] | undefined> {
    if (!(await this.#adopt())) return undefined;
    this.adopted = true;
    await Promise.all(this.#puts);
    return this.#means as readonly Received[];
  }

  get #isLast(): boolean {
    return this.#bucket === this.#lane.options.buckets.length - 1;
  }

  /** Scalars ride with the first piece of the last bucket, which backward completes last. */
  #carried({ contribution }: Held, { begin }: ElementRange): Contribution {
    const carries = this.#isLast && begin === this.#range.begin;
    return carries ? contribution : { ...contribution, scalars: NO_SCALARS };
  }

  #address(level: number, piece: number, rank = this.#lane.group.rank): FrameAddress {
    return {
      ...{ lane: this.#lane.group.number, level, step: this.#round.step },
      ...{ bucket: this.#bucket, piece, rank },
    };
  }

  /** Whatever waits for the round's end hears of a failure. */
  #put(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#round.fail(error));
    this.#puts.push(work);
  }

  /** Starts putting what the plan says of `held`, rounded to f32 in `values`, or encoded already in `words`. */
  #publish(level: number, held: Held, values: Float32Array, words?: Float32Array): void {
    const { rank, clock } = this.#lane.group;
    const pieces = this.#plan.published(level, rank);
    if (pieces.length === 0) return;
    const coded = (piece: number, { begin, end }: Piece): Packed | Promise<Packed> =>
      this.#lane.encode(
        this.#address(level, piece),
        values.subarray(begin - held.begin, end - held.begin),
        begin,
        words?.subarray(begin - held.begin, end - held.begin),
      );
    if (this.#lane.options.packed) {
      this.#put(clock.working(() => this.#putTogether(level, held, pieces, coded)));
      return;
    }
    for (const [i] of pieces.entries()) {
      // Each rank begins elsewhere: not all write to the same reader first.
      const piece = (i + rank) % pieces.length;
      this.#put(
        clock.working(() => this.#putAlone(level, held, piece, pieces[piece]!, coded(piece, pieces[piece]!))),
      );
    }
  }

  async #putAlone(
    level: number,
    held: Held,
    piece: number,
    range: Piece,
    coded: Packed | Promise<Packed>,
  ): Promise<void> {
    const { frames } = this.#lane.group;
    const address = this.#address(level, piece);
    // Small payloads are ready: they are on their way before the push returns.
    const packed = coded instanceof Promise ? await coded : coded;
    if (level === 0) this.#sent.set(range.begin, packed);
    const contribution = this.#carried(held, range);
    const frame = frames.frame({ address, elements: range.end - range.begin }, packed, contribution);
    if ((await frames.put(address, frame)) === "stored") return;
    await this.#winner(this.#partOf(level, range, address), { ...contribution, values: packed });
  }

  async #putTogether(
    level: number,
    held: Held,
    pieces: readonly Piece[],
    coded: (piece: number, range: Piece) => Packed | Promise<Packed>,
  ): Promise<void> {
    const { frames, rank } = this.#lane.group;
    const packed = await Promise.all(pieces.map(async (range, piece) => coded(piece, range)));
    if (level === 0) pieces.forEach(({ begin }, piece) => this.#sent.set(begin, packed[piece]!));
    const { peaks } = held.contribution;
    peaks[level] = packed.reduce((most, one, piece) => {
      const { scalars, absent } = this.#carried(held, pieces[piece]!);
      return Math.max(most, frames.sizeOf(one, { scalars, peaks, absent }));
    }, peaks[level]!);
    const sealed = packed.map((one, piece) => {
      const range = pieces[piece]!;
      const expected = { address: this.#address(level, piece), elements: range.end - range.begin };
      return frames.frame(expected, one, this.#carried(held, range));
    });
    const { piece: _, ...object } = this.#address(level, 0, rank);
    const slots = packSlots(sealed, this.#lane.slotBytes(this.#bucket, level));
    if ((await frames.put(object, slots)) === "stored") return;
    await Promise.all(
      pieces.map((range, piece) => {
        const mine = { ...this.#carried(held, range), values: packed[piece]! };
        return this.#winner(this.#partOf(level, range, { piece, rank }), mine);
      }),
    );
  }

  /**
   * Whoever wrote first is heard: the frame of a twin of this rank, if it is still there. Throws "frame-forked" unless it
   * says what is `mine`.
   */
  async #winner({ roomBytes, ...object }: Expected, mine: Statement): Promise<Received | undefined> {
    const { frames, repeatable, quorum } = this.#lane.group;
    // Memory of its own: the lane's is for what is still to be read.
    const [winner] = (await frames.read({ ...object, into: new Uint8Array(roomBytes) })) ?? [];
    // With a quorum, who is in a mean depends on timing.
    const isSettled = repeatable && (object.address.level === 0 || quorum === 1);
    if (winner !== undefined && isSettled)
      refuseFork(frames.keyOf(object.address), object.frames[0]!.elements, mine, winner);
    return winner;
  }

  /** Adds up what the plan says, and publishes it: at the top level the mean, below it pieces of the sums. */
  async #merge(level: number, merge: Merge, held: Held | undefined): Promise<Held> {
    const { clock } = this.#lane.group;
    const { memory } = this.#lane;
    const { begin, end, writers } = merge;
    const length = end - begin;
    const sums = memory.sums(this.#bucket, level, length);
    const sum = new RankOrderedSum(writers.length, sums);
    const own = writers.findIndex(({ piece }) => piece === -1);
    if (held !== undefined && own >= 0) {
      const values = held.values.subarray(begin - held.begin, end - held.begin);
      await clock.working(() => sum.take(own, { ...this.#carried(held, merge), values }));
    }
    const peers = [...writers.keys()].filter((writer) => writer !== own);
    const expected = this.#withRoom(peers.map((writer) => this.#partOf(level - 1, merge, writers[writer]!)));
    const most = writers.length - this.#lane.quorumOf(writers.length);
    await this.#receive(level - 1, expected, ([part], i) => sum.take(peers[i]!, part!), most);
    const absent = Uint32Array.from(sum.settle(), (writer) => writers[writer]!.rank);
    const merged: Held = { begin, end, values: sums, contribution: { ...sum.total, absent } };
    await clock.working(async () => {
      const values = memory.values(this.#bucket, level, length);
      if (level < this.#plan.levels) {
        sum.writeSums(values);
        this.#publish(level, merged, values);
      } else {
        sum.writeMean(values);
        await this.#publishMean(merged, values);
      }
    });
    return merged;
  }

  /** The mean is what was written: by this rank, or by a twin that was faster. */
  async #publishMean(held: Held, values: Float32Array): Promise<void> {
    const { frames, worldSize, rank } = this.#lane.group;
    const piece = this.#plan.means.findIndex(({ owner }) => owner === rank);
    const address = this.#address(this.#plan.levels, piece);
    const packed = await this.#lane.encode(address, values, held.begin);
    const contribution = this.#carried(held, held);
    const parts =
      worldSize > 1 ? frames.frame({ address, elements: values.length }, packed, contribution) : [];
    if (worldSize > 1 && (await frames.put(address, parts, { isMean: true })) === "exists") {
      const winner = await this.#winner(this.#meanOf(piece), { ...contribution, values: packed });
      if (winner === undefined) throw deleted(frames.keyOf(address));
      this.#means[piece] = winner;
    } else {
      this.#means[piece] = { ...contribution, values: packed, parts };
    }
  }

  /** Takes the means of an earlier start of this rank if all are there: parts may have been swept since, and only then. */
  async #adopt(): Promise<boolean> {
    const { frames } = this.#lane.group;
    const expected = this.#withRoom(this.#plan.means.map((_, piece) => this.#meanOf(piece)));
    const found = await Promise.all(expected.map((mean) => frames.read(mean)));
    if (found.includes(undefined)) return false;
    found.forEach((mean, piece) => (this.#means[piece] = mean![0]));
    this.#relay();
    return true;
  }

  async #receiveMeans(): Promise<void> {
    const { rank } = this.#lane.group;
    const direct: number[] = [];
    const relays = new Set<number>();
    for (const piece of this.#means.keys()) {
      if (this.#means[piece] !== undefined) continue;
      const source = this.#plan.source(piece, rank);
      if (source.relayed) relays.add(source.rank);
      else direct.push(piece);
    }
    const objects = [
      ...direct.map((piece) => ({ pieces: [piece], ...this.#meanOf(piece) })),
      ...[...relays].map((relay) => this.#relayedBy(relay)),
    ];
    const expected = this.#withRoom(objects);
    const take = (begin: number) => (frames: readonly Received[], index: number) =>
      objects[begin + index]!.pieces.forEach((piece, i) => (this.#means[piece] ??= frames[i]));
    const { levels } = this.#plan;
    await Promise.all([
      this.#receive(levels, expected.slice(0, direct.length), take(0)).then(() => this.#relay()),
      this.#receive(levels + 1, expected.slice(direct.length), take(direct.length)),
    ]);
  }

  /** Passes on what its group reads from this rank, in one object. */
  #relay(): void {
    const { frames, rank, clock } = this.#lane.group;
    const relayed = this.#plan.relayed(rank);
    if (relayed.length === 0) return;
    const parts = relayed.flatMap((piece) => this.#means[piece]!.parts);
    this.#put(clock.working(() => frames.put(this.#relayedBy(rank).address, parts, { isMean: true })));
  }

  #meanOf(piece: number): Expected {
    const { begin, end, owner } = this.#plan.means[piece]!;
    return this.#frameAt(this.#address(this.#plan.levels, piece, owner), end - begin);
  }

  #frameAt(address: FrameAddress, elements: number): Expected {
    const { bucket, level } = address;
    const codec = this.#lane.codecs[bucket]![level]!;
    const roomBytes = this.#lane.frameBytes(bucket, level, elements);
    return { address, frames: [{ address, elements }], codec, roomBytes };
  }

  #relayedBy(relay: number): Expected & { readonly pieces: readonly number[] } {
    const pieces = this.#plan.relayed(relay);
    const means = pieces.map((piece) => this.#meanOf(piece));
    const { piece: _, ...address } = this.#address(this.#plan.levels + 1, 0, relay);
    return {
      ...{ pieces, address, codec: this.#lane.codecs[this.#bucket]!.at(-1)! },
      frames: means.flatMap(({ frames }) => frames),
      roomBytes: means.reduce((total, { roomBytes }) => total + roomBytes, 0),
    };
  }

  /** What a merge reads of one of its writers: a part of the level that it merges. */
  #partOf(level: number, { begin, end }: ElementRange, writer: Writer): Expected {
    const address = this.#address(level, writer.piece, writer.rank);
    const alone = this.#frameAt(address, end - begin);
    if (!this.#lane.options.packed) return alone;
    const { piece, ...object } = address;
    const slotBytes = this.#lane.slotBytes(this.#bucket, level);
    return {
      ...{ ...alone, address: object, slot: slotRange(piece, slotBytes) },
      roomBytes: Math.max(slotBytes, slotBytesFor(0, alone.roomBytes)),
    };
  }

  #withRoom(expected: readonly Expected[]): ExpectedObject[] {
    const sizes = expected.map(({ roomBytes }) => roomBytes);
    const slots = this.#lane.memory.slots(this.#bucket, sizes);
    return expected.map((object, i) => ({ ...object, into: slots[i]! }));
  }

  /** What came too late for the mean of this round comes with the next. */
  #keepLeftOut(): void {
    const { rank } = this.#lane.group;
    for (const [piece, { begin }] of this.#plan.means.entries())
      if (this.#means[piece]!.absent.includes(rank))
        this.#lane.leftOut(this.#bucket, begin, this.#sent.get(begin)!);
  }

  /** Waits for objects of a level, of which `most` may be left out when they are late. */
  async #receive(
    level: number,
    expected: readonly ExpectedObject[],
    take: (frames: readonly Received[], index: number) => void,
    most = 0,
  ): Promise<void> {
    const { timeoutMs, signal, beganMs } = this.#round;
    const { arrivals, stragglers, group } = this.#lane;
    const sinceBeganMs = (): number => performance.now() - beganMs;
    const patience = 1 + PATIENCE_PER_LEVEL * level;
    const { leaseMs, onLate: tell } = group;
    const usualMs = arrivals.lateMs(level);
    const lateMs = Math.max(leaseMs, (usualMs ?? 0) - sinceBeganMs());
    const needed = expected.length - most;
    // Whoever is only slow lives: no lease has to pass.
    const quorumMs = usualMs === undefined ? leaseMs : Math.max(0, usualMs - sinceBeganMs());
    const wait = {
      timeoutMs: timeoutMs * patience,
      expectedMs: Math.max(0, arrivals.expectedMs(level) - sinceBeganMs()),
      signal,
      ...(tell && { late: { afterMs: lateMs * patience, tell } }),
      ...(most > 0 && { quorum: { afterMs: quorumMs, objects: needed } }),
    };
    if (expected.length === 0) return;
    let arrived = 0;
    const count = (frames: readonly Received[], index: number): void => {
      take(frames, index);
      if (level === 0) stragglers.note(expected[index]!.address.rank, sinceBeganMs());
      if (++arrived === needed) arrivals.noteLast(level, sinceBeganMs());
    };
    await group.frames.receive(expected, wait, count, ({ atOnce = false }) =>
      arrivals.note(level, sinceBeganMs(), atOnce),
    );
  }
}

/** An object to come, and the most bytes that it can have. */
type Expected = Omit<ExpectedObject, "into"> & { readonly roomBytes: number };

function deleted(key: string): SltrainError {
  return new SltrainError({
    code: "frame-missing",
    message: `collective: expected ${key}, which another start of this rank wrote, but it was deleted since`,
    retryable: true,
  });
}
