// What the kernel bench runs: every op and shape that one training step of each built-in model is made of, read off
// the models' own programs, so that a new model or op is benched without another word; and the shapes that
// shapes/op-shapes.ts lists.

import type { Instruction, Program } from "../../src/device/device.ts";
import { buildTrainingProgram } from "../../src/graph/program.ts";
import type { KernelCall } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { elementCount } from "../../src/kernels/tensor.ts";
import { buildModel, defaultLoss } from "../../src/models/build.ts";
import { optimizerNames, optimizerOf } from "../../src/optim/optimizer.ts";
import { buildUpdateProgram } from "../../src/optim/update-program.ts";
import { modelExamples, type ModelExample } from "../shapes/model-examples.ts";
import { callOf, extraShapes } from "../shapes/op-shapes.ts";

export type Direction = "forward" | "input-gradient" | "filter-gradient" | "gradient" | "update";

export interface KernelCase {
  readonly op: AnyOp;
  readonly call: KernelCall;
  readonly direction: Direction;
  /** Compact shapes of the operands: `128x784 784x512 512`. */
  readonly shape: string;
  /** The models that need it, or what else its shape is for (shapes/op-shapes.ts). */
  readonly models: readonly string[];
}

export interface CaseOptions {
  /** Instead of the models' own batches. */
  readonly batchSize?: number | undefined;
  /** Small models at one batch, and shapes within the caches. */
  readonly quick: boolean;
  /** Only this model, whatever its size, and no shapes but its own. */
  readonly model?: string;
}

/** Operands beyond this say nothing that smaller ones out of cache do not say. */
const MAXIMUM_BYTES = 512 * 2 ** 20;
const QUICK_BATCH = 128;
const QUICK_BYTES = 32 * 2 ** 20;

/** Sorted by op, large ones first. */
export function kernelCases(options: CaseOptions): KernelCase[] {
  const cases = new Map<string, KernelCase & { models: string[] }>();
  const add = (op: AnyOp, call: KernelCall, use: string): void => {
    if (op.view || bytesOf(call) > MAXIMUM_BYTES) return;
    const operands = call.inputs.length > 0 ? call.inputs : call.outputs;
    const shape = operands.map((type) => type.shape.join("x")).join(" ");
    const key = JSON.stringify([op.name, shape, call.params]);
    const known = cases.get(key);
    if (!known) {
      const direction = directionOf(op.name, call.params);
      cases.set(key, { op, call, direction, shape, models: [use] });
    } else if (!known.models.includes(use)) known.models.push(use);
  };
  for (const example of modelExamples()) {
    if (options.model !== undefined && options.model !== example.model.name) continue;
    if (options.quick && example.size !== "small") continue;
    for (const batchSize of batchesOf(example, options))
      for (const program of programsOf(example, batchSize))
        for (const instruction of program.instructions)
          add(instruction.op, instructionCall(program, instruction), example.model.name);
  }
  for (const extra of options.model === undefined ? extraShapes : []) {
    const call = callOf(extra);
    if (!options.quick || bytesOf(call) <= QUICK_BYTES) add(ops[extra.op], call, extra.use);
  }
  return [...cases.values()].sort((a, b) => compare(a.op.name, b.op.name) || flopsOf(b) - flopsOf(a));
}

export function flopsOf({ op, call }: Pick<KernelCase, "op" | "call">): number {
  return op.flops(call.inputs, call.params);
}

/** Of all operands and results, each once. */
export function bytesOf({ inputs, outputs }: KernelCall): number {
  return [...inputs, ...outputs].reduce((sum, type) => sum + 4 * elementCount(type), 0);
}

function batchesOf({ kernelBatches }: ModelExample, { batchSize, quick }: CaseOptions): readonly number[] {
  if (batchSize !== undefined) return [batchSize];
  return quick ? [QUICK_BATCH] : kernelBatches;
}

/** A training step, and the update of every optimiser. */
function programsOf({ topology }: ModelExample, batchSize: number): readonly Program[] {
  const built = buildModel(topology, batchSize, { training: true, loss: defaultLoss(topology) });
  const training = buildTrainingProgram(built.graph, built.loss!, { loss: built.loss! });
  const updates = optimizerNames.map((optimizer) =>
    buildUpdateProgram(optimizerOf({ optimizer, lr: 0.01 }), training.parameters),
  );
  return [training, ...updates].map(({ program }) => program);
}

function instructionCall(program: Program, { inputs, outputs, params }: Instruction): KernelCall {
  const typesOf = (ids: readonly number[]) => ids.map((id) => program.values[id]!.type);
  return { inputs: typesOf(inputs), outputs: typesOf(outputs), params };
}

function directionOf(name: string, params: object): Direction {
  if (name === "matmul") {
    if ("transposeA" in params && params.transposeA === true) return "filter-gradient";
    return "transposeB" in params && params.transposeB === true ? "input-gradient" : "forward";
  }
  if (name.endsWith("-input-grad")) return "input-gradient";
  if (name.endsWith("-filter-grad") || name === "column-sum") return "filter-gradient";
  if (name.endsWith("-update")) return "update";
  return name.endsWith("-grad") ? "gradient" : "forward";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
