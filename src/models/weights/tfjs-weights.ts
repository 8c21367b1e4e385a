// Weights that tf.js and its converter wrote: model.json with a weightsManifest, and shards beside it. What is quantised there
// (f16, or whole numbers with a scale and a minimum) comes as f32.

import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { SltrainError } from "../../errors.ts";
import { readFile } from "node:fs/promises";
import { fromF16 } from "./halves.ts";
import { damaged, openBytes, type ByteSource, type WeightFile, type WeightTensor } from "./byte-source.ts";

const quantization = z.looseObject({
  dtype: z.string(),
  scale: z.number().optional(),
  min: z.number().optional(),
});

const weightSchema = z.looseObject({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  dtype: z.string(),
  quantization: quantization.optional(),
});

const fileSchema = z.looseObject({
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()), weights: z.array(weightSchema) })),
});

type Weight = z.output<typeof weightSchema>;

/** How a number is kept. */
interface Kept {
  readonly bytes: number;
  readonly decode: (bytes: Uint8Array, scale: number, min: number) => Float32Array;
}

const kept: Readonly<Record<string, Kept>> = {
  float32: { bytes: 4, decode: ({ buffer }) => new Float32Array(buffer) },
  float16: { bytes: 2, decode: ({ buffer }) => fromF16(new Uint16Array(buffer)) },
  uint8: { bytes: 1, decode: (bytes, scale, min) => Float32Array.from(bytes, (q) => q * scale + min) },
  uint16: {
    bytes: 2,
    decode: ({ buffer }, scale, min) => Float32Array.from(new Uint16Array(buffer), (q) => q * scale + min),
  },
};

/** Throws "weights-damaged" for what is no such file or shards that are too short, "weights-unsupported" naming all types. */
export async function openTfjsWeights(path: string): Promise<WeightFile> {
  const groups = parseManifest(await readFile(path, "utf8"), path);
  const shards: ByteSource[] = [];
  const close = async (): Promise<void> => {
    for (const shard of shards) await shard.close();
  };
  try {
    const tensors: WeightTensor[] = [];
    for (const { paths, weights } of groups) {
      const own: ByteSource[] = [];
      for (const shard of paths) {
        // A manifest is somebody else's text: it must not reach out of its folder.
        if (basename(shard) !== shard) throw damaged(path, `expected a file beside it, got ${shard}`);
        own.push(await openBytes(join(dirname(path), shard)));
        shards.push(own.at(-1)!);
      }
      tensors.push(...tensorsOf(weights, own, path));
    }
    return { where: path, tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function parseManifest(text: string, path: string): z.output<typeof fileSchema>["weightsManifest"] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(path, `expected JSON, got: ${(cause as Error).message}`, cause);
  }
  const result = fileSchema.safeParse(json);
  const groups = result.data?.weightsManifest ?? [];
  if (groups.some(({ weights }) => weights.length > 0)) return groups;
  throw damaged(
    path,
    `expected a weightsManifest with weights, got ${result.success ? "an empty one" : z.prettifyError(result.error)}`,
  );
}

function tensorsOf(weights: readonly Weight[], shards: readonly ByteSource[], path: string): WeightTensor[] {
  const unknown = weights.filter((weight) => !(keptAs(weight) in kept));
  if (unknown.length > 0) {
    throw new SltrainError({
      code: "weights-unsupported",
      message: `${path}: expected weights kept as ${Object.keys(kept).join(", ")}, got ${unknown.map((weight) => `${weight.name} ${keptAs(weight)}`).join(", ")}`,
    });
  }
  let end = 0;
  const tensors = weights.map((weight): WeightTensor => {
    const { name, shape, quantization: { scale = 1, min = 0 } = {} } = weight;
    const { bytes, decode } = kept[keptAs(weight)]!;
    const first = end;
    end += bytes * shape.reduce((product, extent) => product * extent, 1);
    const at = (element: number) => first + element * bytes;
    return {
      ...{ name, shape },
      read: async (begin, end) => decode(await readAcross(shards, at(begin), at(end)), scale, min),
    };
  });
  const there = shards.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (there === end) return tensors;
  throw damaged(
    path,
    `expected ${end} bytes of weights in ${shards.map(({ where }) => basename(where)).join(", ")}, got ${there}`,
  );
}

function keptAs({ dtype, quantization: quantized }: Weight): string {
  return quantized?.dtype ?? dtype;
}

/** A tensor may begin in one shard and end in another. */
async function readAcross(shards: readonly ByteSource[], begin: number, end: number): Promise<Uint8Array> {
  const result = new Uint8Array(end - begin);
  let first = 0;
  for (const shard of shards) {
    const [from, to] = [Math.max(begin, first), Math.min(end, first + shard.sizeBytes)];
    if (from < to) result.set(await shard.read(from - first, to - first), from - begin);
    first += shard.sizeBytes;
  }
  return result;
}
