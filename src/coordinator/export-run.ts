// A finished run's model as files for other tools.

import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SltrainError } from "../errors.ts";
import { formatTfjs, TFJS_WEIGHTS_FILE } from "../models/format-tfjs.ts";
import { formatOnnx } from "../models/onnx/format-onnx.ts";
import { encodeSafetensors, type NamedTensor } from "../models/safetensors.ts";
import type { RunManifest } from "../run/records.ts";
import { wholeOf } from "../run/whole-model.ts";
import { readRun } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";
import { readModel } from "./trained-model.ts";

export const exportFormats = ["tfjs", "onnx", "safetensors"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions {
  readonly storage: Storage;
  readonly runId: string;
  readonly format: ExportFormat;
  /** A folder for tfjs, else a file. Files that are there are replaced. */
  readonly to: string;
}

export interface Exported {
  readonly runId: string;
  readonly format: ExportFormat;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** What the other tool has to be told. */
  readonly notes: readonly string[];
}

interface File {
  readonly path: string;
  readonly parts: readonly Uint8Array[];
}

type Model = Pick<RunManifest, "runId" | "topology" | "data"> & {
  readonly tensors: ReadonlyMap<string, NamedTensor>;
};

type Write = (
  model: Model,
  to: string,
) => { readonly files: readonly File[]; readonly notes: readonly string[] };

/** Throws "run-unknown", "model-missing", "parameters-mismatch", and "export-failed" naming the file. */
export async function exportRun({ storage, runId, format, to }: ExportOptions): Promise<Exported> {
  const { manifest } = await readRun(storage, runId);
  const { tensors } = await readModel(storage, runId);
  const { files, notes } = writers[format]({ runId, ...wholeOf(manifest), tensors }, to);
  const written = [];
  for (const file of files) written.push({ path: file.path, bytes: await writeFile(file) });
  return { runId, format, files: written, notes };
}

const writers: Readonly<Record<ExportFormat, Write>> = {
  tfjs: ({ topology, tensors, ...run }, to) => {
    const { modelJson, weights, foreignLayers } = formatTfjs(topology, tensors, factsOf(run));
    return {
      files: [
        { path: join(to, TFJS_WEIGHTS_FILE), parts: weights },
        { path: join(to, "model.json"), parts: [Buffer.from(modelJson)] },
      ],
      notes: [
        "The model takes transformed features: x * scale + offset, see userDefinedMetadata.transform in model.json.",
        ...foreignLayers.map(
          (name) => `tf.js has no layer ${name}: register one of that name (docs/models.md).`,
        ),
      ],
    };
  },
  onnx: ({ topology, tensors, ...run }, to) => {
    const { transform, ...facts } = factsOf(run);
    const metadata = Object.fromEntries(
      Object.entries(facts).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    );
    return {
      files: [{ path: to, parts: formatOnnx({ topology, tensors, transform, metadata }) }],
      notes: ["The model takes features as the data set has them: the transform is a part of it."],
    };
  },
  safetensors: ({ tensors, runId, data }, to) => {
    const metadata = { format: "sltrain", run: runId, transform: JSON.stringify(data.transform) };
    return {
      files: [{ path: to, parts: encodeSafetensors([...tensors.values()], metadata) }],
      notes: [
        "The model takes transformed features: x * scale + offset, see transform in the file's metadata.",
      ],
    };
  },
};

/** What whoever asks the model needs to know of its data. */
function factsOf({ runId, data }: Pick<Model, "runId" | "data">) {
  const { name, featureShape, transform, classNames } = data;
  return { run: runId, data: name, featureShape, transform, ...(classNames && { classNames }) };
}

/** Whole or not at all: a reader never sees half a file. */
async function writeFile({ path, parts }: File): Promise<number> {
  const temporary = `${path}.${process.pid}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, "w");
    try {
      await file.writeFile(parts);
      await rename(temporary, path);
    } finally {
      await file.close();
      await rm(temporary, { force: true });
    }
  } catch (cause) {
    throw new SltrainError({
      code: "export-failed",
      message: `${path}: expected to write the model there: ${(cause as Error).message}`,
      cause,
      suggestions: ["Give --to a path that can be written."],
    });
  }
  return parts.reduce((sum, { length }) => sum + length, 0);
}
