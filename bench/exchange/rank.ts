// One rank of a bench: what a worker is to a run, without the training. Its methods are called across processes
// (rank-process.ts), so they take and give plain data.

import { crc32 } from "node:zlib";
import { closeMedium, type Medium, openMedium } from "../../src/allreduce/medium.ts";
import { forgetRun } from "../../src/allreduce/parameter-servers.ts";
import { assert } from "../../src/errors.ts";
import { type ChannelProfile, measureChannel } from "../../src/storage/check/measure-channel.ts";
import { type Metered, type MeterReading, nothingRead } from "../../src/storage/layers/meter.ts";
import type { Channel } from "../../src/storage/storage.ts";
import { type Contender, type ContenderSpec, openContender } from "./contender.ts";
import { type GradientFiles, rankSums, readMean } from "./gradients.ts";
import { nowMs, waitUntil } from "./system-clock.ts";

export interface Seat {
  readonly channel: string;
  readonly rank: number;
  readonly worldSize: number;
  readonly files: GradientFiles;
}

export interface RoundCall {
  readonly step: number;
  /** Of the clock that all processes share. */
  readonly startMs: number;
}

export interface RoundAnswer {
  readonly endMs: number;
  readonly cpuMs: number;
  /** The mean's values are, bit by bit, those of a sum in f64. */
  readonly exact: boolean;
  /** Norm of what they differ by, over the norm of the right ones. */
  readonly relativeError: number;
  /** Equal on ranks with equal means. */
  readonly digest: number;
}

/** On the clock that all processes share. */
export interface Interval {
  readonly beganMs: number;
  readonly endMs: number;
}

/** Objects that one rank has put, or is to put. */
export interface ObjectSet {
  readonly prefix: string;
  readonly owner: number;
  readonly objects: number;
  readonly objectBytes: number;
}

export interface AloneCall {
  readonly folder: string;
  readonly objects: number;
  readonly objectBytes: number;
}

/** All at once. */
export interface TransferCall {
  readonly startMs: number;
  readonly put?: ObjectSet;
  readonly get?: ObjectSet;
}

/**
 * A gradient is doubled twice and then is itself again: exact in f32, and a mean that is left of the round before is not
 * taken for this one's.
 */
const SCALES = [1, 2, 4];

export class Rank {
  #seat: Seat | undefined;
  #medium: Medium | undefined;
  #contender: Contender | undefined;
  #sums: Float32Array = new Float32Array();
  #mean: Float32Array = new Float32Array();
  #right: Float32Array = new Float32Array();
  #scale = 1;

  /** Opens the channel and makes this rank's gradient. */
  async sit(seat: Seat): Promise<void> {
    this.#seat = seat;
    this.#medium = await openMedium(seat.channel, process.env);
    this.#sums = await rankSums(seat.files, seat.rank);
    this.#mean = new Float32Array(new SharedArrayBuffer(this.#sums.byteLength));
  }

  /** Reads what the means must be, once all ranks have made their gradients. */
  async prepare(): Promise<void> {
    const { files, worldSize } = this.#seated();
    this.#right = await readMean(files, worldSize);
  }

  async open({ runId, spec }: { readonly runId: string; readonly spec: ContenderSpec }): Promise<void> {
    const { rank, worldSize } = this.#seated();
    this.#contender = await openContender({ ...spec, channel: this.#seatedAt(), runId, rank, worldSize });
  }

  async round({ step, startMs }: RoundCall): Promise<RoundAnswer> {
    assert(this.#contender !== undefined, "a round needs a contender");
    this.#scaleTo(SCALES[step % SCALES.length]!);
    waitUntil(startMs);
    const cpu = process.cpuUsage();
    await this.#contender.round(step, this.#sums, this.#mean);
    const endMs = nowMs();
    const { user, system } = process.cpuUsage(cpu);
    return { endMs, cpuMs: (user + system) / 1000, ...this.#compare() };
  }

  async sweep(step: number): Promise<void> {
    await this.#contender?.sweep(step);
  }

  reading(): Promise<MeterReading> {
    const medium = this.#seatedAt();
    if ("reading" in medium) return Promise.resolve({ ...(medium as Metered).reading });
    const asked = this.#contender?.asked?.();
    assert(asked !== undefined, "parameter servers' contenders count for themselves");
    const { requests, bytesUp, bytesDown } = asked;
    return Promise.resolve({ ...nothingRead(), puts: requests, bytesUp, bytesDown });
  }

  /** What the channel gives this rank while no other uses it. */
  measureAlone({ folder, objects, objectBytes }: AloneCall): Promise<ChannelProfile> {
    return measureChannel(this.#channel(), { folder, valueBytes: objectBytes, parallel: objects });
  }

  async transfer({ startMs, put, get }: TransferCall): Promise<Interval> {
    const channel = this.#channel();
    const values = new Uint8Array(this.#sums.buffer);
    const source = values.subarray(0, put?.objectBytes ?? 0);
    const room = keysOf(get).map(() => new Uint8Array(get!.objectBytes));
    waitUntil(startMs);
    const beganMs = nowMs();
    const [, found] = await Promise.all([
      Promise.all(keysOf(put).map((key) => channel.put(key, [source]))),
      Promise.all(keysOf(get).map((key, i) => channel.get({ key }, room[i]))),
    ]);
    const endMs = nowMs();
    assert(
      found.every((bytes) => bytes?.byteLength === get!.objectBytes),
      "an object that was put is there",
    );
    return { beganMs, endMs };
  }

  async deleteAll(sets: readonly ObjectSet[]): Promise<void> {
    await this.#channel().delete(sets.flatMap(keysOf));
  }

  async close(): Promise<void> {
    await this.#contender?.close();
    this.#contender = undefined;
  }

  /** After all have closed. */
  async forget(runId: string): Promise<void> {
    const medium = this.#seatedAt();
    if ("servers" in medium) await forgetRun(medium, runId);
  }

  async leave(): Promise<void> {
    await this.close();
    if (this.#medium !== undefined) await closeMedium(this.#medium);
  }

  #seated(): Seat {
    assert(this.#seat !== undefined, "a rank sits before it works");
    return this.#seat;
  }

  #seatedAt(): Medium {
    assert(this.#medium !== undefined, "a rank sits before it works");
    return this.#medium;
  }

  #channel(): Channel {
    const medium = this.#seatedAt();
    assert(!("servers" in medium), "parameter servers have no objects");
    return medium;
  }

  #scaleTo(scale: number): void {
    const factor = scale / this.#scale;
    for (let i = 0; i < this.#sums.length; i++) this.#sums[i]! *= factor;
    this.#scale = scale;
  }

  #compare(): Pick<RoundAnswer, "exact" | "relativeError" | "digest"> {
    let [errors, squares, exact] = [0, 0, true];
    for (let i = 0; i < this.#mean.length; i++) {
      const right = this.#right[i]! * this.#scale;
      const difference = this.#mean[i]! - right;
      if (difference !== 0) exact = false;
      errors += difference * difference;
      squares += right * right;
    }
    const relativeError = squares === 0 ? Math.sqrt(errors) : Math.sqrt(errors / squares);
    return { exact, relativeError, digest: crc32(new Uint8Array(this.#mean.buffer)) };
  }
}

function keysOf(set: ObjectSet | undefined): string[] {
  return Array.from({ length: set?.objects ?? 0 }, (_, i) => `${set!.prefix}${set!.owner}-${i}`);
}
