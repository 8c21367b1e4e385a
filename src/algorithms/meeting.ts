// Where ranks that go their own ways become equal again: at the mean of their ways from the point where they last met,
// weighted by samples. The way travels and not the place: a lossy codec then errs by a share of the way. Statistics of
// the model are averaged as they are. What becomes of the mean way is an `OuterUpdate`.

import type { Collective } from "../allreduce/collective.ts";
import {
  type ExchangeOutcome,
  type NamedArrays,
  outcomeOf,
  scalarsOf,
  type TrainedReplica,
} from "./algorithm.ts";
import type { BatchSums } from "./batch.ts";

/** Moves the point where all ranks met; the same on all of them. */
export interface OuterUpdate {
  /** Changed in place by `apply`. */
  readonly state: NamedArrays;
  /** `point` becomes the next one; `meanWay` is the mean of all ranks' ways from it. */
  apply(point: Float32Array, meanWay: Float32Array): void;
}

const goTheMeanWay: OuterUpdate = {
  state: {},
  apply(point, meanWay) {
    for (let i = 0; i < point.length; i++) point[i]! += meanWay[i]!;
  },
};

export interface MeetingOptions {
  readonly replica: TrainedReplica;
  readonly collective: Collective;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly outer?: OuterUpdate;
}

export class Meeting {
  readonly #options: MeetingOptions;
  readonly #outer: OuterUpdate;
  /** Where all ranks last met. */
  readonly #point: Float32Array;
  /** What is pushed: the way of the parameters, then the statistics; their means come back into it. */
  readonly #exchanged: Float32Array;
  /** Since the last meeting. */
  #sums = { samples: 0, loss: 0, correct: 0 };
  /** Steps that the device may be at work on, oldest first. */
  readonly #underWay: Promise<BatchSums>[] = [];

  /** All ranks are to be where the replica is. */
  static async open(options: MeetingOptions): Promise<Meeting> {
    return new Meeting(options, (await options.replica.read("parameters")).slice());
  }

  private constructor(options: MeetingOptions, point: Float32Array) {
    const { parameters, statistics } = options.replica;
    this.#options = options;
    this.#outer = options.outer ?? goTheMeanWay;
    this.#point = point;
    this.#exchanged = new Float32Array(parameters.length + statistics.length);
  }

  /**
   * What a step of this rank alone brings; the meeting weighs and reports it. Waits where as many steps are under way as may
   * be, and throws then what an earlier one threw.
   */
  async count(samples: number, { sums }: { readonly sums: Promise<BatchSums> }): Promise<void> {
    this.#sums.samples += samples;
    this.#underWay.push(sums);
    // Thrown when its turn has come.
    sums.catch(() => undefined);
    await this.#settle(this.#options.replica.stepsUnderWay - 1);
  }

  /** Adds the sums of the oldest steps under way, in order, until `left` are left. */
  async #settle(left: number): Promise<void> {
    while (this.#underWay.length > left) {
      const { loss, correct } = await this.#underWay.shift()!;
      this.#sums.loss += loss;
      this.#sums.correct += correct;
    }
  }

  async meet(step: number, stopVote: number): Promise<ExchangeOutcome> {
    const { replica, collective, timeoutMs, signal } = this.#options;
    await this.#settle(0);
    const { samples: weight, ...sums } = this.#sums;
    this.#sums = { samples: 0, loss: 0, correct: 0 };
    const parameters = await replica.read("parameters");
    const statistics = await replica.read("statistics");
    const way = this.#exchanged.subarray(0, parameters.length);

    const round = collective.begin({ step, weight, timeoutMs, signal });
    weighWay(parameters, this.#point, weight, way);
    const weighted = statistics.map((value) => value * weight);
    this.#exchanged.set(weighted, parameters.length);
    collective.buckets.forEach(({ begin, end }, bucket) =>
      round.push(bucket, this.#exchanged.subarray(begin, end)),
    );
    const result = await round.finish(scalarsOf(sums, stopVote), this.#exchanged);
    this.#outer.apply(this.#point, way);
    parameters.set(this.#point);
    statistics.set(this.#exchanged.subarray(parameters.length));
    replica.write("parameters", parameters);
    replica.write("statistics", statistics);
    return outcomeOf(result);
  }

  /** Of all ranks, after they met. */
  async state(): Promise<NamedArrays> {
    const { replica } = this.#options;
    const [parameters, statistics] = [await replica.read("parameters"), await replica.read("statistics")];
    return { parameters, statistics, ...this.#outer.state };
  }

  restore({ parameters, statistics, ...outer }: NamedArrays): void {
    const { replica } = this.#options;
    replica.write("parameters", parameters!);
    replica.write("statistics", statistics!);
    this.#point.set(parameters!);
    for (const [name, values] of Object.entries(outer)) this.#outer.state[name]!.set(values);
  }
}

function weighWay(to: Float32Array, from: Float32Array, weight: number, way: Float32Array): void {
  for (let i = 0; i < way.length; i++) way[i] = weight * (to[i]! - from[i]!);
}
