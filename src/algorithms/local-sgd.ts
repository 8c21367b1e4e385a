// Local SGD (Stich 2018, algorithm 1): every rank takes steps of its own, then all meet at the mean of their
// parameters, weighted by samples. Meeting once an epoch is KubeML's K-averaging with K = infinity.
//
// What travels is each rank's way from the point where all last met, not the point where it stands: a lossy codec then
// errs by a share of the way. The optimiser's state never travels. What becomes of the mean way is an `OuterUpdate`;
// local SGD goes it as it is, DiLoCo makes a gradient of it (diloco.ts).

import {
  type Algorithm,
  type AlgorithmOptions,
  type ExchangeOutcome,
  type NamedArrays,
  outcomeOf,
  scalarsOf,
  type TrainingStep,
  vectorsOf,
} from "./algorithm.ts";
import { localUpdate } from "./local-update.ts";

export interface LocalSgdOptions extends AlgorithmOptions {
  /** Steps from one exchange to the next, counted from an epoch's start; an epoch's end is always one. */
  readonly syncEvery: number;
}

/** Moves the point where all ranks met; the same on all of them. */
export interface OuterUpdate {
  /** Changed in place by `apply`. */
  readonly state: NamedArrays;
  /** `meetingPoint` becomes the next one; `meanWay` is the mean of all ranks' ways from it, and scratch afterwards. */
  apply(meetingPoint: Float32Array, meanWay: Float32Array): void;
}

const goTheMeanWay: OuterUpdate = {
  state: {},
  apply(meetingPoint, meanWay) {
    for (let i = 0; i < meetingPoint.length; i++) meetingPoint[i]! += meanWay[i]!;
  },
};

export async function localSgd(
  options: LocalSgdOptions,
  outer: OuterUpdate = goTheMeanWay,
): Promise<Algorithm> {
  const { replica, optimizerState } = options;
  const meeting = new Meeting(options, outer, (await replica.read("parameters")).slice());
  return {
    step: (step) => meeting.step(step),
    state: async () => ({
      shared: { ...(await vectorsOf(replica, ["parameters", "statistics"])), ...outer.state },
      own: await vectorsOf(replica, optimizerState),
    }),
    restore: ({ shared, own }) => {
      for (const [name, values] of Object.entries({ ...shared, ...own })) {
        const outerValues = outer.state[name];
        if (outerValues) outerValues.set(values);
        else replica.write(name, values);
      }
      meeting.point.set(shared.parameters!);
    },
  };
}

class Meeting {
  /** Where all ranks last met. */
  readonly point: Float32Array;
  readonly #options: LocalSgdOptions;
  readonly #outer: OuterUpdate;
  /** What is pushed: the way of the parameters, then the statistics; their means come back into it. */
  readonly #exchanged: Float32Array;
  /** Since the last exchange. */
  #sums = { samples: 0, loss: 0, correct: 0 };

  constructor(options: LocalSgdOptions, outer: OuterUpdate, point: Float32Array) {
    const { parameters, statistics } = options.replica;
    this.#options = options;
    this.#outer = outer;
    this.point = point;
    this.#exchanged = new Float32Array(parameters.length + statistics.length);
  }

  async step({ step, batch, hyper, stopVote }: TrainingStep): Promise<ExchangeOutcome | undefined> {
    const { replica, syncEvery, stepsPerEpoch } = this.#options;
    const { loss, correct } = await localUpdate(replica, batch, hyper);
    this.#sums.samples += batch?.count ?? 0;
    this.#sums.loss += loss;
    this.#sums.correct += correct;
    const finished = (step % stepsPerEpoch) + 1;
    return finished % syncEvery === 0 || finished === stepsPerEpoch
      ? this.#exchange(step, stopVote)
      : undefined;
  }

  async #exchange(step: number, stopVote: number): Promise<ExchangeOutcome> {
    const { replica, collective, timeoutMs } = this.#options;
    const { samples: weight, ...sums } = this.#sums;
    this.#sums = { samples: 0, loss: 0, correct: 0 };
    const parameters = await replica.read("parameters");
    const statistics = await replica.read("statistics");
    const way = this.#exchanged.subarray(0, parameters.length);

    const round = collective.begin({ step, weight, timeoutMs });
    weighWay(parameters, this.point, weight, way);
    this.#exchanged.set(
      statistics.map((value) => value * weight),
      parameters.length,
    );
    collective.buckets.forEach(({ begin, end }, bucket) =>
      round.push(bucket, this.#exchanged.subarray(begin, end)),
    );
    const result = await round.finish(scalarsOf(sums, stopVote), this.#exchanged);
    this.#outer.apply(this.point, way);
    parameters.set(this.point);
    statistics.set(this.#exchanged.subarray(parameters.length));
    return outcomeOf(result);
  }
}

function weighWay(to: Float32Array, from: Float32Array, weight: number, way: Float32Array): void {
  for (let i = 0; i < way.length; i++) way[i] = weight * (to[i]! - from[i]!);
}
