// Optimisers as data: an update op, the vectors of its state, and its hyperparameters. The update is per element, so
// it runs unchanged on a whole flat vector or on any chunk of it.

import type { Plan, Program, Value } from "../device/device.ts";
import type { AnyOp } from "../kernels/op.ts";
import { adamUpdate, HYPER_ELEMENTS, momentumUpdate, sgdUpdate } from "../kernels/ops/updates.ts";
import { f32 } from "../kernels/tensor.ts";
import { learningRateAt, type LearningRate, type ScheduleName } from "./learning-rate.ts";

export type OptimizerName = "sgd" | "momentum" | "nesterov" | "adam";

/** What is left out is as in PyTorch, but for a momentum of 0.9. A run's configuration fits as it is. */
export interface OptimizerSettings {
  readonly optimizer: OptimizerName;
  /** The learning rate's peak. */
  readonly lr: number;
  readonly schedule?: ScheduleName | undefined;
  readonly warmupSteps?: number | undefined;
  /** Of "momentum" and "nesterov"; Adam's beta1. */
  readonly momentum?: number | undefined;
  /** Of "adam". */
  readonly beta2?: number | undefined;
  readonly epsilon?: number | undefined;
  /** L2: adds `weightDecay * parameter` to the gradient. */
  readonly weightDecay?: number | undefined;
}

/** Which op updates, and the vectors of its state. */
interface UpdateRule {
  readonly op: AnyOp;
  readonly params: object;
  /** As long as the parameters, zero at first; a checkpoint holds them under these names. In the op's order. */
  readonly stateNames: readonly string[];
}

export interface Optimizer extends UpdateRule {
  readonly name: OptimizerName;
  readonly learningRate: LearningRate;
  readonly momentum: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

const velocity = ["optimizer.momentum"];
const moments = ["optimizer.m", "optimizer.v"];

/** The list of optimisers. */
const rules: Readonly<Record<OptimizerName, UpdateRule>> = {
  sgd: { op: sgdUpdate, params: {}, stateNames: [] },
  momentum: { op: momentumUpdate, params: { nesterov: false }, stateNames: velocity },
  nesterov: { op: momentumUpdate, params: { nesterov: true }, stateNames: velocity },
  adam: { op: adamUpdate, params: {}, stateNames: moments },
};

export const optimizerNames = Object.keys(rules) as readonly OptimizerName[];

export function optimizerOf(settings: OptimizerSettings): Optimizer {
  const { optimizer: name, lr, schedule = "constant", warmupSteps = 0 } = settings;
  const { momentum = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = settings;
  const learningRate: LearningRate = { peak: lr, schedule, warmupSteps };
  return { ...rules[name], name, learningRate, momentum, beta2, epsilon, weightDecay };
}

/** The vector `hyper` for a step (0-based) of a run of `totalSteps`: see kernels/ops/updates.ts for its fields. */
export function hyperAt(optimizer: Optimizer, step: number, totalSteps: number): Float32Array {
  const { momentum, beta2, epsilon, weightDecay, learningRate } = optimizer;
  // The corrections belong to the float32 decays that the kernel uses: 1 - 0.999 is off by 1e-5 in float32, and the
  // same error in both leaves their ratio right.
  const correction = (decay: number): number => 1 - Math.fround(decay) ** (step + 1);
  return Float32Array.of(
    learningRateAt(learningRate, step, totalSteps),
    momentum,
    beta2,
    epsilon,
    weightDecay,
    correction(momentum),
    correction(beta2),
    0,
  );
}

/**
 * One update of elements [offset, offset + length) of "parameters" and of the state, in place, from "gradients" and
 * "hyper". `offset` is a multiple of 64.
 */
export function buildUpdateProgram(
  { op, params, stateNames }: Optimizer,
  length: number,
  offset = 0,
): { readonly program: Program; readonly plan: Plan } {
  const slice = (vector: string): Value => ({
    type: f32(length),
    name: vector,
    place: { kind: "vector", vector, offset },
  });
  const updated = ["parameters", ...stateNames];
  const values: Value[] = [
    ...["parameters", "gradients", ...stateNames].map(slice),
    { type: f32(HYPER_ELEMENTS), name: "hyper", place: { kind: "vector", vector: "hyper", offset: 0 } },
    ...updated.map(slice),
  ];
  const inputCount = values.length - updated.length;
  return {
    program: {
      values,
      instructions: [
        {
          op,
          params,
          inputs: Array.from({ length: inputCount }, (_, value) => value),
          outputs: updated.map((_, output) => inputCount + output),
        },
      ],
      vectors: {
        ...Object.fromEntries([...updated, "gradients"].map((vector) => [vector, offset + length])),
        hyper: HYPER_ELEMENTS,
      },
    },
    plan: { offsets: values.map(() => -1), arenaElements: 0 },
  };
}
