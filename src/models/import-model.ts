// A model as a module of the user's own: its default export is what `model` or `sequential` of "sltrain/layers" made, or a function
// of what the data needs that makes it. Node strips the types of TypeScript by itself.

import { access } from "node:fs/promises";
import { registerHooks } from "node:module";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { SltrainError } from "../errors.ts";
import { formatTopology } from "./format-topology.ts";
import type { ModelIo } from "./model-io.ts";
import { parseTopology } from "./parse-topology.ts";
import type { Topology } from "./topology.ts";

const API = "sltrain/layers";

/**
 * Throws SltrainError "model-missing" (no such file), "model-module" (it cannot be run, or exports no model), what its layers throw, and
 * "model-unsupported" naming all settings that sltrain has no kernel for.
 */
export async function importModel(path: string, io: ModelIo): Promise<Topology> {
  const exported = await importDefault(path);
  const made: unknown =
    typeof exported === "function" ? await call(exported as ModelFunction, io, path) : exported;
  if (!isTopology(made)) {
    const got =
      exported === undefined
        ? "none"
        : typeof exported === "function"
          ? `a function of ${kindOf(made)}`
          : kindOf(exported);
    throw moduleError(
      path,
      `expected a default export that is a model, or a function that returns one, got ${got}`,
    );
  }
  const fallback = basename(path, extname(path));
  const named = ["model", "sequential"].includes(made.name) ? { ...made, name: fallback } : made;
  // It may be written by hand.
  return parseTopology(formatTopology(named), path);
}

type ModelFunction = (io: ModelIo) => unknown;

async function call(make: ModelFunction, io: ModelIo, path: string): Promise<unknown> {
  try {
    return await make(io);
  } catch (cause) {
    if (cause instanceof SltrainError) throw cause;
    throw moduleError(path, String(cause), cause);
  }
}

async function importDefault(path: string): Promise<unknown> {
  const file = resolve(path);
  try {
    await access(file);
  } catch (cause) {
    throw new SltrainError({
      code: "model-missing",
      message: `expected a module at ${path}: ${(cause as Error).message}`,
      cause,
    });
  }
  // The module may lie where no sltrain is installed, and its layers are those of the one that runs.
  const own = import.meta.url.replace(/import-model(\.[jt]s)$/, "layers-api$1");
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === API ? { url: own, shortCircuit: true } : next(specifier, context),
  });
  try {
    return ((await import(pathToFileURL(file).href)) as { readonly default?: unknown }).default;
  } catch (cause) {
    if (cause instanceof SltrainError) throw cause;
    throw moduleError(path, String(cause), cause);
  } finally {
    hooks.deregister();
  }
}

function isTopology(value: unknown): value is Topology {
  const { inputShape, layers } = (value ?? {}) as Partial<Topology>;
  return Array.isArray(inputShape) && Array.isArray(layers);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}

function moduleError(path: string, what: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "model-module",
    message: `${path}: ${what}`,
    cause,
    suggestions: [`A model's module imports its layers from "${API}": see docs/models.md.`],
  });
}
