// sltrain's own training steps, as a worker runs them: forward, backward, SGD update, the batch already in memory.

import { Replica } from "../../src/algorithms/replica.ts";
import type { Device } from "../../src/device/device.ts";
import { buildTrainingProgram, flopsOf } from "../../src/graph/program.ts";
import { buildModel, defaultLoss, parameterCount } from "../../src/models/build.ts";
import { vocabularyOf, type Topology } from "../../src/models/topology.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";
import type { Contender, Run } from "./contender.ts";

const SEED = 1;
/** Of the mean gradient, as the peers have it. */
const LR = 0.01;

export interface OwnSteps extends Contender {
  /** Gradient sums of the batch at the parameters as they are. */
  gradients(): Promise<Float32Array>;
  readonly arenaBytes: number;
  /** Of one step, the update left aside. */
  readonly flops: number;
}

/**
 * How many steps, of two runs each, may be under way beside the update before them: where it is more than one, none has
 * to be waited for.
 */
export function stepsAtOnceOn({ runsUnderWay }: Device): number {
  return Math.max(1, Math.floor((runsUnderWay - 1) / 2));
}

export async function prepareOwnSteps(
  device: Device,
  topology: Topology,
  batchSize: number,
): Promise<OwnSteps> {
  const loss = defaultLoss(topology);
  const replica = new Replica({ device, topology, loss, seed: SEED });
  // Gradients are sums over the batch.
  const optimizer = optimizerOf({ optimizer: "sgd", lr: LR / batchSize });
  await replica.useOptimizer(optimizer);
  const hyper = hyperAt(optimizer, 0, 1);
  const { step, vectors } = await replica.training(batchSize);

  const { graph, logits, loss: objective } = buildModel(topology, batchSize, { training: true, loss });
  const outputs = logits.type.shape.at(-1)!;
  const random = new RandomStream(SEED, "bench:steps");
  const { "input.x": x, "input.labels": labels, "input.targets": targets } = vectors;
  const vocabulary = vocabularyOf(topology);
  const length = { length: x!.elements };
  const samples =
    vocabulary === undefined
      ? Float32Array.from(length, () => random.nextNormal())
      : Int32Array.from(length, () => random.nextInt(vocabulary));
  device.write(x!, 0, samples);
  if (labels) {
    const classes = Int32Array.from({ length: labels.elements }, () => random.nextInt(outputs));
    device.write(labels, 0, classes);
  }
  if (targets) {
    const answers = Float32Array.from({ length: targets.elements }, () => random.nextInt(2));
    device.write(targets, 0, answers);
  }

  const { program } = buildTrainingProgram(graph, objective!, { loss: objective! });
  const stepsAtOnce = stepsAtOnceOn(device);
  return {
    name: "sltrain",
    parameters: parameterCount(topology),
    arenaBytes: step.arenaBytes,
    flops: flopsOf(program),
    async gradients() {
      await step.run();
      return (await replica.read("gradients")).slice();
    },
    async run(budgetMs, minSteps): Promise<Run> {
      const meanLoss = async () => (await device.readF32(vectors["result.loss"]!))[0]! / batchSize;
      const timesMs: number[] = [];
      let firstLoss = NaN;
      let beganMs = performance.now();
      const endMs = beganMs + budgetMs;
      while (timesMs.length < minSteps || beganMs < endMs) {
        // The first loss is that of one step.
        const steps = timesMs.length === 0 ? 1 : stepsAtOnce;
        const runs: Promise<void>[] = [];
        for (let i = 0; i < steps; i++) {
          // A device that takes one run at a time must have ended it.
          if (stepsAtOnce === 1) await step.run();
          else runs.push(step.run());
          runs.push(replica.applyUpdate(hyper));
        }
        await Promise.all(runs);
        if (timesMs.length === 0) firstLoss = await meanLoss();
        const nowMs = performance.now();
        timesMs.push((nowMs - beganMs) / steps);
        beganMs = nowMs;
      }
      return { timesMs, losses: [firstLoss, await meanLoss()] };
    },
  };
}
