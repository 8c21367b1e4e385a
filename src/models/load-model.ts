// `--model`: the name of a built-in model, or the path of a model.json or of a module that makes one; each must fit the data.

import { readFile } from "node:fs/promises";
import { SltrainError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { outputsOf } from "./build.ts";
import { builtinModels } from "./builtin.ts";
import { importModel } from "./import-model.ts";
import { modelSizeNames, type ModelIo, type ModelSizes } from "./model-io.ts";
import type { OwnLoss } from "./model-loss.ts";
import { parseTopology } from "./parse-topology.ts";
import { vocabularyOf, type Topology } from "./topology.ts";

/**
 * Throws SltrainError "model-unknown" (no such built-in), "model-missing" (no such file), "model-damaged",
 * "model-unsupported", what a module throws, or "model-data-mismatch" naming the model's and the data's shapes.
 */
export async function loadModel(spec: string, io: ModelIo): Promise<Topology> {
  const builtin = builtinModels.find((model) => model.name === spec);
  refuseSizes(spec, io, builtin?.takes ?? []);
  if (builtin !== undefined) {
    const topology = builtin.topology(io);
    refuseOtherSamples(topology, io, `model ${spec}`);
    return topology;
  }
  if (!/[/\\]|\.json$|\.[cm]?[jt]s$/.test(spec)) throw unknownModel(spec);

  const isModule = /\.[cm]?[jt]s$/.test(spec);
  const topology = isModule ? await importModel(spec, io) : parseTopology(await readModel(spec), spec);
  checkFit(topology, io, spec);
  return topology;
}

/** Throws SltrainError "config-conflict" for a size that the model has of its own. */
function refuseSizes(spec: string, sizes: ModelSizes, takes: readonly (keyof ModelSizes)[]): void {
  for (const size of modelSizeNames) {
    if (sizes[size] === undefined || takes.includes(size)) continue;
    const others = builtinModels.filter((model) => model.takes?.includes(size) === true);
    throw new SltrainError({
      code: "config-conflict",
      message: `--${size}: expected a model whose size it is, got ${spec}`,
      suggestions: [`It belongs to --model ${others.map(({ name }) => name).join(", ")}.`],
    });
  }
}

/** The loss that defines the built-in model of this name; undefined where the data decides. */
export function ownLossOf(spec: string): OwnLoss | undefined {
  return builtinModels.find(({ name }) => name === spec)?.loss;
}

async function readModel(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new SltrainError({
      code: "model-missing",
      message: `expected a model.json at ${path}: ${(cause as Error).message}`,
      cause,
    });
  }
}

function unknownModel(spec: string): SltrainError {
  const names = builtinModels.map((model) => model.name);
  const near = nearestName(spec, names);
  return new SltrainError({
    code: "model-unknown",
    message: `expected one of the models ${names.join(", ")} or the path of a model.json or of a module, got ${JSON.stringify(spec)}`,
    suggestions: near === undefined ? [] : [`Did you mean ${near}?`],
  });
}

/** Throws "model-data-mismatch" for a model of numbers and data of tokens, or the other way round. */
function refuseOtherSamples(topology: Topology, { tokens = false }: ModelIo, where: string): void {
  if ((vocabularyOf(topology) !== undefined) === tokens) return;
  throw new SltrainError({
    code: "model-data-mismatch",
    message: tokens
      ? `${where}: the model takes numbers, but the data is text`
      : `${where}: the model takes tokens, but the data's samples are numbers`,
    suggestions: tokens
      ? ["Choose --model gpt-nano, or a model whose first layer is an Embedding."]
      : ["Give it a text file as --data."],
  });
}

/** Samples are row-major, so a flat input takes any sample of its size, and extents of 1 make no difference. */
function checkFit(topology: Topology, io: ModelIo, where: string): void {
  refuseOtherSamples(topology, io, where);
  const model = topology.inputShape;
  const same = squeeze(model) === squeeze(io.inputShape);
  const flat =
    model.length === 1 && model[0] === io.inputShape.reduce((product, extent) => product * extent, 1);
  if (!same && !flat) {
    throw new SltrainError({
      code: "model-data-mismatch",
      message: `${where}: the model takes samples of shape [${model.join(",")}], but the data's are [${io.inputShape.join(",")}]`,
    });
  }
  // A model of tokens has predictions for each position.
  const outputs = io.tokens ? outputsOf(topology) / topology.inputShape[0]! : outputsOf(topology);
  if (outputs !== io.outputs) {
    throw new SltrainError({
      code: "model-data-mismatch",
      message: `${where}: the model has ${outputs} outputs, but the data needs ${io.outputs}`,
      suggestions: [`Give the last layer ${io.outputs} units.`],
    });
  }
}

function squeeze(shape: readonly number[]): string {
  return shape.filter((extent) => extent !== 1).join(",");
}
