// Dawn, the WebGPU implementation of npm's `webgpu`: an optional peer, for it is 130 MB. Everything of this folder gets
// its GPU from here.

import { SltrainError } from "../../errors.ts";

interface Dawn {
  readonly create: (options: string[]) => GPU;
  readonly globals: object;
}

/** Where functions, whose bundle lies beside no node_modules, find the package: a path or a file URL. */
export const DAWN_MODULE_VARIABLE = "SLTRAIN_WEBGPU_MODULE";

/** What that variable is to hold for functions that this process starts. */
export function dawnModule(): string {
  return process.env[DAWN_MODULE_VARIABLE] ?? import.meta.resolve("webgpu");
}

export type Backend = "vulkan" | "metal" | "d3d12" | "null";

/**
 * By flags. Dawn's event thread ends with the object that `create` made, whatever adapters and devices it has given out, so
 * all are kept; and each is an instance of Vulkan, which takes a driver long to make, so none is made twice.
 */
const opened = new Map<string, GPU>();

let loaded: Promise<Dawn> | undefined;

async function loadDawn(): Promise<Dawn> {
  const specifier = process.env[DAWN_MODULE_VARIABLE] ?? "webgpu";
  try {
    const dawn = (await import(specifier)) as Dawn;
    // GPUBufferUsage and other constants.
    Object.assign(globalThis, dawn.globals);
    return dawn;
  } catch (cause) {
    throw new SltrainError({
      code: "webgpu-missing",
      message: `webgpu device: expected the package webgpu (Dawn), but it can't be loaded from ${specifier}: ${(cause as Error).message}`,
      cause,
      suggestions: ["npm install webgpu", "Or train on the processor: --device wasm."],
    });
  }
}

export interface DawnOptions {
  /** Dawn's names. */
  readonly toggles?: readonly string[];
  /** A part of the name of the only adapter that is given out. */
  readonly adapter?: string;
}

/** Throws SltrainError "webgpu-missing". */
export async function openDawn(backend: Backend, { toggles = [], adapter }: DawnOptions = {}): Promise<GPU> {
  const { create } = await (loaded ??= loadDawn());
  const flags = [
    `backend=${backend}`,
    ...(toggles.length > 0 ? [`enable-dawn-features=${toggles.join(",")}`] : []),
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
    // Timestamps are made coarse (65 us) against spying web pages; here all code is the user's own.
    "disable-dawn-features=timestamp_quantization",
  ];
  const key = flags.join(" ");
  const gpu = opened.get(key) ?? create(flags);
  opened.set(key, gpu);
  return gpu;
}
