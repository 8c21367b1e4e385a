// What the kernel bench runs: every op and shape that one training step of each built-in model is made of. The list
// is read off the models' own programs, so a new model or op is benched without another word.

import type { Instruction, Program } from "../../src/device/device.ts";
import { buildTrainingProgram } from "../../src/graph/program.ts";
import type { KernelCall } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { buildModel, defaultLoss } from "../../src/models/build.ts";
import { buildUpdateProgram, optimizerNames, optimizerOf } from "../../src/optim/optimizer.ts";
import { modelExamples } from "../shapes/model-examples.ts";

export type Direction = "forward" | "input-gradient" | "filter-gradient" | "gradient" | "update";

export interface KernelCase {
  readonly op: AnyOp;
  readonly call: KernelCall;
  readonly direction: Direction;
  /** Compact shapes of the operands: `128x784 784x512 512`. */
  readonly shape: string;
  /** The models that need it. */
  readonly models: readonly string[];
}

export function modelCases(batchSize: number): KernelCase[] {
  const cases = new Map<string, KernelCase & { models: string[] }>();
  for (const { model, topology } of modelExamples()) {
    const built = buildModel(topology, batchSize, { training: true, loss: defaultLoss(topology) });
    const training = buildTrainingProgram(built.graph, built.loss!, { loss: built.loss! });
    const updates = optimizerNames.map((optimizer) =>
      buildUpdateProgram(optimizerOf({ optimizer, lr: 0.01 }), training.parameters.length),
    );
    for (const { program } of [training, ...updates]) {
      for (const instruction of program.instructions) {
        if (instruction.op.view) continue;
        const found = caseOf(program, instruction);
        const key = JSON.stringify([found.op.name, found.shape, found.call.params]);
        const known = cases.get(key);
        if (!known) cases.set(key, { ...found, models: [model.name] });
        else if (!known.models.includes(model.name)) known.models.push(model.name);
      }
    }
  }
  return [...cases.values()].sort((a, b) => compare(a.op.name, b.op.name) || flopsOf(b) - flopsOf(a));
}

export function flopsOf({ op, call }: Pick<KernelCase, "op" | "call">): number {
  return op.flops(call.inputs, call.params);
}

function caseOf(program: Program, { op, params, inputs, outputs }: Instruction): Omit<KernelCase, "models"> {
  const typesOf = (ids: readonly number[]) => ids.map((id) => program.values[id]!.type);
  const call = { inputs: typesOf(inputs), outputs: typesOf(outputs), params };
  const operands = call.inputs.length > 0 ? call.inputs : call.outputs;
  const shape = operands.map((type) => type.shape.join("x")).join(" ");
  return { op, call, direction: directionOf(op.name, params), shape };
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
