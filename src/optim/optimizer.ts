// Optimisers as data: an update op, the vectors of its state, and its hyperparameters. The update is per element, so
// it runs unchanged on a whole flat vector or on any chunk of it.

import type { Plan, Program, Value } from "../device/device.ts";
import type { AnyOp } from "../kernels/op.ts";
import { adamUpdate, HYPER_ELEMENTS, momentumUpdate, sgdUpdate } from "../kernels/ops/updates.ts";
import { f32 } from "../kernels/tensor.ts";
import { learningRateAt, type Decay, type LearningRate } from "./learning-rate.ts";

export type OptimizerName = "sgd" | "momentum" | "nesterov" | "adam";

/** What is left out is as in PyTorch, but for a momentum of 0.9. A run's configuration fits as it is. */
export interface OptimizerSettings {
  readonly optimizer: OptimizerName;
  /** The learning rate's peak. */
  readonly lr: number;
  readonly warmUpSteps?: number | undefined;
  readonly decay?: Decay | undefined;
  /** L2: adds `weightDecay * parameter` to the gradient. */
  readonly weightDecay?: number | undefined;
  /** Of "momentum" and "nesterov". */
  readonly momentum?: number | undefined;
  /** Of "adam". */
  readonly beta1?: number | undefined;
  readonly beta2?: number | undefined;
  readonly epsilon?: number | undefined;
}

export interface Optimizer {
  readonly name: OptimizerName;
  readonly op: AnyOp;
  readonly params: object;
  /**
   * Vectors of the state, in the op's order: as long as the parameters, zero at first. A checkpoint holds them under
   * these names.
   */
  readonly stateNames: readonly string[];
  readonly learningRate: LearningRate;
  /** hyper[1..4]: decay of the first moment (`momentum`, or Adam's beta1) and of the second, Adam's epsilon, L2. */
  readonly hyper: readonly [number, number, number, number];
}

/** What an optimiser is, but for its numbers. */
interface UpdateRule extends Pick<Optimizer, "op" | "params" | "stateNames"> {
  readonly firstMoment: "momentum" | "beta1";
}

const velocity = ["optimizer.momentum"];
const moments = ["optimizer.m", "optimizer.v"];

/** The list of optimisers. Plain SGD reads no moment. */
const rules: Readonly<Record<OptimizerName, UpdateRule>> = {
  sgd: { op: sgdUpdate, params: {}, stateNames: [], firstMoment: "momentum" },
  momentum: {
    op: momentumUpdate,
    params: { nesterov: false },
    stateNames: velocity,
    firstMoment: "momentum",
  },
  nesterov: { op: momentumUpdate, params: { nesterov: true }, stateNames: velocity, firstMoment: "momentum" },
  adam: { op: adamUpdate, params: {}, stateNames: moments, firstMoment: "beta1" },
};

export const optimizerNames = Object.keys(rules) as readonly OptimizerName[];

export function optimizerOf(settings: OptimizerSettings): Optimizer {
  const { optimizer: name, lr, warmUpSteps = 0, decay = { kind: "constant" } } = settings;
  const { firstMoment, ...rule } = rules[name];
  const { [firstMoment]: decay1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = settings;
  return {
    name,
    ...rule,
    learningRate: { peak: lr, warmUpSteps, decay },
    hyper: [decay1, beta2, epsilon, weightDecay],
  };
}

/** The vector `hyper` for a step (0-based) of a run of `totalSteps`: see kernels/ops/updates.ts for its fields. */
export function hyperAt({ learningRate, hyper }: Optimizer, step: number, totalSteps: number): Float32Array {
  const [decay1, beta2] = hyper;
  const lr = learningRateAt(learningRate, step, totalSteps);
  return Float32Array.of(lr, ...hyper, 1 - decay1 ** (step + 1), 1 - beta2 ** (step + 1), 0);
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
