// Optimisers as data: an update op, the vectors of its state, its hyperparameters, and what becomes of a gradient before.

import type { AnyOp } from "../kernels/op.ts";
import { adagradUpdate, adamUpdate, larsUpdate, momentumUpdate, sgdUpdate } from "../kernels/ops/updates.ts";
import { ALIGNMENT_ELEMENTS } from "../kernels/tensor.ts";
import { parseSpared, type Spares } from "./spared-tensors.ts";
import { learningRateAt, type LearningRate, parseSchedule } from "./learning-rate.ts";

export type OptimizerName = "sgd" | "momentum" | "nesterov" | "adam" | "adamw" | "adagrad" | "lars";

/** What is left out is as in PyTorch, but for a momentum of 0.9. A run's configuration fits as it is. */
export interface OptimizerSettings {
  readonly optimizer: OptimizerName;
  /** The learning rate's peak. */
  readonly lr: number;
  /** See `parseSchedule`. */
  readonly schedule?: string | undefined;
  readonly warmupSteps?: number | undefined;
  /** Of "momentum", "nesterov" and "lars"; Adam's beta1. */
  readonly momentum?: number | undefined;
  /** Of "adam" and "adamw". */
  readonly beta2?: number | undefined;
  /** Of "adam", "adamw" and "adagrad". */
  readonly epsilon?: number | undefined;
  /** L2: adds `weightDecay * parameter` to the gradient; "adamw" takes it, times the rate, off the parameter. */
  readonly weightDecay?: number | undefined;
  /** Tensors that do not decay: see `parseSpared`. */
  readonly decayExcept?: string | undefined;
  /** The mean gradient is shortened to this Euclidean norm, over all parameters. */
  readonly clipNorm?: number | undefined;
  /** Each element of the mean gradient is kept within plus or minus this; before `clipNorm`. */
  readonly clipValue?: number | undefined;
}

/** Which op updates, and the vectors of its state. */
export interface UpdateRule {
  readonly op: AnyOp;
  readonly params: object;
  /** As long as the parameters, zero at first; a checkpoint holds them under these names. In the op's order. */
  readonly stateNames: readonly string[];
  /** Whether the op updates one tensor and takes its norms. */
  readonly perTensor?: true;
}

export interface Optimizer extends UpdateRule {
  readonly name: OptimizerName;
  readonly learningRate: LearningRate;
  readonly momentum: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Absent where all tensors decay, or none. */
  readonly spares?: Spares;
  readonly clipNorm: number | undefined;
  readonly clipValue: number | undefined;
}

const velocity = ["optimizer.momentum"];
const moments = ["optimizer.m", "optimizer.v"];

/** The list of optimisers. */
const rules: Readonly<Record<OptimizerName, UpdateRule>> = {
  sgd: { op: sgdUpdate, params: {}, stateNames: [] },
  momentum: { op: momentumUpdate, params: { nesterov: false }, stateNames: velocity },
  nesterov: { op: momentumUpdate, params: { nesterov: true }, stateNames: velocity },
  adam: { op: adamUpdate, params: { decoupled: false }, stateNames: moments },
  adamw: { op: adamUpdate, params: { decoupled: true }, stateNames: moments },
  adagrad: { op: adagradUpdate, params: {}, stateNames: ["optimizer.squares"] },
  lars: { op: larsUpdate, params: {}, stateNames: velocity, perTensor: true },
};

/** LARS's eta (You et al. 2017, section 5: 0.001 for AlexNet with batch norm and for ResNet-50). */
const TRUST_COEFFICIENT = 0.001;

/** Index into `hyper`. */
const WEIGHT_DECAY = 4;

export const optimizerNames = Object.keys(rules) as readonly OptimizerName[];

export function optimizerOf(settings: OptimizerSettings): Optimizer {
  const { optimizer: name, lr, schedule = "constant", warmupSteps = 0 } = settings;
  const { momentum = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = settings;
  const learningRate: LearningRate = { peak: lr, course: parseSchedule(schedule), warmupSteps };
  const { decayExcept, clipNorm, clipValue } = settings;
  const spares = weightDecay === 0 || decayExcept === undefined ? undefined : parseSpared(decayExcept);
  return {
    ...{ ...rules[name], name, learningRate, momentum, beta2, epsilon, weightDecay, clipNorm, clipValue },
    ...(spares && { spares }),
  };
}

/** Where the hyperparameters of spared tensors lie in `hyper`: they are the others', without the decay. */
export const SPARED_HYPER_OFFSET = ALIGNMENT_ELEMENTS;

/** The vector `hyper` for a step (0-based) of such a run as `learningRateAt` takes: see kernels/ops/updates.ts for its fields. */
export function hyperAt(
  optimizer: Optimizer,
  step: number,
  totalSteps: number,
  stepsPerEpoch = totalSteps,
): Float32Array {
  const { momentum, beta2, epsilon, weightDecay, learningRate } = optimizer;
  // The corrections belong to the float32 decays that the kernel uses: 1 - 0.999 is off by 1e-5 in float32, and the
  // same error in both leaves their ratio right.
  const correction = (decay: number): number => 1 - Math.fround(decay) ** (step + 1);
  const hyper = Float32Array.of(
    learningRateAt(learningRate, step, totalSteps, stepsPerEpoch),
    momentum,
    beta2,
    epsilon,
    weightDecay,
    correction(momentum),
    correction(beta2),
    TRUST_COEFFICIENT,
  );
  if (optimizer.spares === undefined) return hyper;
  const both = new Float32Array(SPARED_HYPER_OFFSET + hyper.length);
  both.set(hyper);
  both.set(hyper.with(WEIGHT_DECAY, 0), SPARED_HYPER_OFFSET);
  return both;
}
