// Optimisers as data: an update op, the vectors of its state, and its hyperparameters. The update is per element, so
// it runs unchanged on a whole flat vector or on any chunk of it; LARS's is per tensor.

import type { Instruction, Place, Plan, Program, Value, ValueId } from "../device/device.ts";
import { assert } from "../errors.ts";
import type { AnyOp } from "../kernels/op.ts";
import { divide } from "../kernels/ops/divide.ts";
import { sumOfSquares } from "../kernels/ops/sum-of-squares.ts";
import {
  adagradUpdate,
  adamUpdate,
  HYPER_ELEMENTS,
  larsUpdate,
  momentumUpdate,
  sgdUpdate,
} from "../kernels/ops/updates.ts";
import { ALIGNMENT_ELEMENTS, f32 } from "../kernels/tensor.ts";
import type { Layout, LayoutEntry } from "../shard/layout.ts";
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
}

/** Which op updates, and the vectors of its state. */
interface UpdateRule {
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

export const optimizerNames = Object.keys(rules) as readonly OptimizerName[];

export function optimizerOf(settings: OptimizerSettings): Optimizer {
  const { optimizer: name, lr, schedule = "constant", warmupSteps = 0 } = settings;
  const { momentum = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = settings;
  const learningRate: LearningRate = { peak: lr, course: parseSchedule(schedule), warmupSteps };
  return { ...rules[name], name, learningRate, momentum, beta2, epsilon, weightDecay };
}

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
  return Float32Array.of(
    learningRateAt(learningRate, step, totalSteps, stepsPerEpoch),
    momentum,
    beta2,
    epsilon,
    weightDecay,
    correction(momentum),
    correction(beta2),
    TRUST_COEFFICIENT,
  );
}

/** A stretch of the flat vectors, in elements; `offset` is a multiple of 64. */
type Stretch = Pick<LayoutEntry, "offset" | "length">;

export interface UpdateOptions {
  /** By default all. A per-tensor rule updates the tensors that lie in it; it must not cut one. */
  readonly stretch?: Stretch;
  /** Whether "gradients" are sums, which it first divides by the number of samples in "samples" f32[1]. */
  readonly ofSums?: boolean;
}

/** One update of "parameters" and of the state, in place, from "gradients" and "hyper". */
export function buildUpdateProgram(
  optimizer: Optimizer,
  layout: Layout,
  { stretch = { offset: 0, length: layout.length }, ofSums = false }: UpdateOptions = {},
): { readonly program: Program; readonly plan: Plan } {
  const { stateNames } = optimizer;
  const end = stretch.offset + stretch.length;
  const updates = new UpdateInstructions(optimizer);
  if (ofSums) updates.divideGradients(stretch);
  if (optimizer.perTensor === true)
    for (const tensor of layout.entries.filter(({ offset }) => offset >= stretch.offset && offset < end)) {
      assert(
        tensor.offset + tensor.length <= end,
        `${optimizer.name} updates whole tensors, but ${tensor.name} is cut at ${end}`,
      );
      updates.add(tensor, tensor.shape.length > 1);
    }
  else updates.add(stretch, false);
  return updates.build({
    ...Object.fromEntries(["parameters", "gradients", ...stateNames].map((vector) => [vector, end])),
    hyper: HYPER_ELEMENTS,
    ...(ofSums && { samples: 1 }),
  });
}

/** Collects the instructions of an update program. */
class UpdateInstructions {
  readonly #rule: UpdateRule;
  readonly #values: Value[] = [];
  readonly #instructions: Instruction[] = [];

  constructor(rule: UpdateRule) {
    this.#rule = rule;
  }

  #value(elements: number, name: string, place: Place): ValueId {
    return this.#values.push({ type: f32(elements), name, place }) - 1;
  }

  divideGradients({ offset, length }: Stretch): void {
    const gradients = () => this.#value(length, "gradients", { kind: "vector", vector: "gradients", offset });
    const samples = this.#value(1, "samples", { kind: "vector", vector: "samples", offset: 0 });
    const inputs = [gradients(), samples];
    this.#instructions.push({ op: divide, params: {}, inputs, outputs: [gradients()] });
  }

  /** With `norms`, the op gets the squared norms of the stretch's parameters and gradients. */
  add({ offset, length }: Stretch, norms: boolean): void {
    const { op, params, stateNames } = this.#rule;
    const slice = (vector: string) => this.#value(length, vector, { kind: "vector", vector, offset });
    const vectors = ["parameters", "gradients", ...stateNames].map(slice);
    const inputs = [
      ...vectors,
      this.#value(HYPER_ELEMENTS, "hyper", { kind: "vector", vector: "hyper", offset: 0 }),
    ];
    if (norms)
      for (const vector of vectors.slice(0, 2)) {
        const squares = this.#value(1, "squares", { kind: "arena" });
        this.#instructions.push({ op: sumOfSquares, params: {}, inputs: [vector], outputs: [squares] });
        inputs.push(squares);
      }
    this.#instructions.push({ op, params, inputs, outputs: ["parameters", ...stateNames].map(slice) });
  }

  build(vectors: Program["vectors"]): { readonly program: Program; readonly plan: Plan } {
    // Each squared norm has a place of its own: they are a few bytes.
    let arenaElements = 0;
    const offsets = this.#values.map(({ place }) => {
      if (place.kind !== "arena") return -1;
      return (arenaElements += ALIGNMENT_ELEMENTS) - ALIGNMENT_ELEMENTS;
    });
    return {
      program: { values: this.#values, instructions: this.#instructions, vectors },
      plan: { offsets, arenaElements },
    };
  }
}
