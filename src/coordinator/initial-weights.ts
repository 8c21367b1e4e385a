// `--weights`: what a run's model begins with, from a file or another run, into storage.

import { SltrainError } from "../errors.ts";
import { fillInSlices, initialValues } from "../graph/initialize.ts";
import { layoutOf, vectorNames, type Parameter, type VectorName } from "../graph/graph.ts";
import { buildModel } from "../models/build.ts";
import type { Topology } from "../models/topology.ts";
import type { ByteSource, WeightFile } from "../models/weights/byte-source.ts";
import { matchWeights, type Match, type NewHead } from "../models/weights/match.ts";
import { openSafetensors } from "../models/weights/safetensors-weights.ts";
import { openWeightFile } from "../models/weights/weight-file.ts";
import { runKeys } from "../run/keys.ts";
import { readRun } from "../run/registry.ts";
import { chunkRanges, ensureWeights, type ChunkValues, type StoredWeights } from "../run/stored-weights.ts";
import { sha256 } from "../sha256.ts";
import type { Storage } from "../storage/storage.ts";

const RUN = "run:";

/** Raise it when initial values change for an equal seed. */
const SEEDED_VERSION = 1;

export interface PlaceWeightsOptions {
  readonly storage: Storage;
  /** A path, or `run:ID`. */
  readonly from: string;
  /** The whole model. */
  readonly topology: Topology;
  readonly newHead: NewHead;
  readonly seed: number;
  /** The model, or the parts that it was cut into, whose weights are kept apart. */
  readonly parts: readonly Topology[];
  readonly signal?: AbortSignal | undefined;
  /** Told chunk by chunk how much of a part has been made; nothing of one that is there already. */
  readonly onBytes?: ((done: number, all: number) => void) | undefined;
}

type MakeOptions = Pick<PlaceWeightsOptions, "seed" | "signal" | "onBytes">;

export interface PlacedWeights {
  /** As the user named it. */
  readonly from: string;
  /** Tensors that begin as without a file: a new head's. */
  readonly fresh: readonly string[];
  /** By part: all its values follow from `hash`. */
  readonly parts: readonly { readonly hash: string; readonly stored: StoredWeights }[];
}

/** Throws what reading the file and `matchWeights` throw, "run-unknown", "model-missing" for a run without a model, and what `signal` is aborted with. */
export async function placeWeights(options: PlaceWeightsOptions): Promise<PlacedWeights> {
  const { storage, from, topology, newHead } = options;
  const file = await (from.startsWith(RUN)
    ? openModelOf(storage, from.slice(RUN.length))
    : openWeightFile(from));
  try {
    const { matches, fresh } = matchWeights(topology, file, newHead);
    const reads = new Map(matches.map(({ name, read }) => [name, read]));
    const parts = [];
    for (const part of options.parts) parts.push(await storePart(storage, part, reads, options));
    return { from, fresh, parts };
  } finally {
    await file.close();
  }
}

/**
 * The weights of `part` as the seed has them, made once: a worker that made half a gigabyte of them by itself would take as long
 * as its training. Throws what `signal` is aborted with.
 */
export function placeSeeded(
  storage: Storage,
  part: Topology,
  options: MakeOptions,
): Promise<PlacedWeights["parts"][number]> {
  return storePart(storage, part, new Map(), options);
}

/** Tensors that are not read begin by the seed. */
async function storePart(
  storage: Storage,
  part: Topology,
  reads: ReadonlyMap<string, Match["read"]>,
  { onBytes, ...options }: MakeOptions,
): Promise<PlacedWeights["parts"][number]> {
  const { graph } = buildModel(part, 1, { training: false });
  const chunks = () => chunksOf(graph, reads, options);
  const isRead = vectorNames.some((vector) => graph[vector].some(({ name }) => reads.has(name)));
  // What follows from the seed alone has its name without being made.
  const hash = isRead ? await hashOf(chunks()) : seededId(graph, options.seed);
  const stored = await ensureWeights(storage, hash, () => chunksOf(graph, reads, { ...options, onBytes }));
  return { hash, stored };
}

type Tensors = Readonly<Record<VectorName, readonly Parameter[]>>;

function seededId(tensors: Tensors, seed: number): string {
  const ofAll = vectorNames.map((vector) => [vector, tensors[vector]] as const);
  return sha256().update(JSON.stringify({ SEEDED_VERSION, seed, ofAll })).digest("hex");
}

async function hashOf(chunks: AsyncIterable<ChunkValues>): Promise<string> {
  const hash = sha256();
  for await (const { vector, begin, end, values } of chunks)
    hash.update(`${vector} ${begin} ${end}`).update(values);
  return hash.digest("hex");
}

/** The vectors a chunk at a time, in memory that is used again. Gives way to the event loop while it makes them. */
async function* chunksOf(
  tensors: Tensors,
  reads: ReadonlyMap<string, Match["read"]>,
  { seed, signal, onBytes }: MakeOptions,
): AsyncGenerator<ChunkValues> {
  const lengthOf = (vector: VectorName) => layoutOf(tensors[vector]).length;
  const lengths = Object.fromEntries(vectorNames.map((name) => [name, lengthOf(name)])) as Record<
    VectorName,
    number
  >;
  const seeded = new Map<string, (into: Float32Array) => void>();
  const all = vectorNames.reduce((sum, name) => sum + lengths[name], 0) * Float32Array.BYTES_PER_ELEMENT;
  let done = 0;
  let memory = new Float32Array();
  for (const { vector, begin, end } of chunkRanges(lengths)) {
    if (memory.length < end - begin) memory = new Float32Array(end - begin);
    const values = memory.subarray(0, end - begin).fill(0);
    for (const tensor of tensors[vector]) {
      const { name, offset, length } = tensor;
      const [from, to] = [Math.max(begin, offset), Math.min(end, offset + length)];
      if (from >= to) continue;
      signal?.throwIfAborted();
      const place = values.subarray(from - begin, to - begin);
      const read = reads.get(name);
      if (read !== undefined) place.set(await read(from - offset, to - offset));
      else {
        const fill = seeded.get(name) ?? initialValues(tensor, seed);
        seeded.set(name, fill);
        await fillInSlices(fill, place);
      }
    }
    yield { vector, begin, end, values };
    onBytes?.((done += values.byteLength), all);
  }
}

async function openModelOf(storage: Storage, runId: string): Promise<WeightFile> {
  await readRun(storage, runId);
  const key = runKeys(runId).model;
  const bytes = await storage.get({ key });
  if (!bytes)
    throw new SltrainError({
      code: "model-missing",
      message: `--weights ${RUN}${runId}: expected the trained model under ${key}, got none`,
      suggestions: ["Choose a run that has finished: `sltrain runs ls`."],
    });
  const source: ByteSource = {
    where: `${key} in ${storage.uri}`,
    sizeBytes: bytes.length,
    // On its own memory, so that arrays of any type can view it.
    read: (begin, end) => Promise.resolve(new Uint8Array(bytes.subarray(begin, end))),
    close: () => Promise.resolve(),
  };
  return openSafetensors(source);
}
