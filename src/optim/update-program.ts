// One update as a program: means of sums, clipping, and the optimiser's op over the whole flat vector or any chunk of it,
// for it works per element; LARS's works per tensor, and tensors that do not decay have hyperparameters of their own.

import type { Instruction, Place, Plan, Program, Value, ValueId } from "../device/device.ts";
import { assert } from "../errors.ts";
import type { AnyOp } from "../kernels/op.ts";
import { clipNorm, clipValue } from "../kernels/ops/clip.ts";
import { divide } from "../kernels/ops/divide.ts";
import { sumOfSquares } from "../kernels/ops/sum-of-squares.ts";
import { HYPER_ELEMENTS } from "../kernels/ops/updates.ts";
import { ALIGNMENT_ELEMENTS, f32 } from "../kernels/tensor.ts";
import type { Layout, LayoutEntry } from "../shard/layout.ts";
import { type Optimizer, SPARED_HYPER_OFFSET, type UpdateRule } from "./optimizer.ts";

/** A stretch of the flat vectors, in elements; `offset` is a multiple of 64. */
type Stretch = Pick<LayoutEntry, "offset" | "length">;

/** Of a vector that is updated element by element, at a time: 64 MiB, half of what any GPU lets a kernel reach. */
export const MOST_UPDATED_ELEMENTS = 2 ** 24;

export interface UpdateOptions {
  /** By default all. A per-tensor rule updates the tensors that lie in it; it must not cut one. */
  readonly stretch?: Stretch;
  /** Whether "gradients" are sums, which it first divides by the number of samples in "samples" f32[1]. */
  readonly ofSums?: boolean;
}

/** One update of "parameters" and of the state, in place, from "gradients", which are clipped in place, and "hyper". */
export function buildUpdateProgram(
  optimizer: Optimizer,
  layout: Layout,
  { stretch = { offset: 0, length: layout.length }, ofSums = false }: UpdateOptions = {},
): { readonly program: Program; readonly plan: Plan } {
  const { stateNames, spares } = optimizer;
  const end = stretch.offset + stretch.length;
  const updates = new UpdateInstructions(optimizer);
  if (ofSums) updates.divideGradients(stretch);
  if (optimizer.clipValue !== undefined) updates.clipValues(stretch, optimizer.clipValue);
  if (optimizer.clipNorm !== undefined) {
    assert(stretch.length === layout.length, "a norm to clip by is that of all gradients");
    updates.clipNorm(stretch, optimizer.clipNorm);
  }
  const decays = (tensor: LayoutEntry): boolean => spares?.has(tensor) !== true;
  if (optimizer.perTensor === true)
    for (const tensor of layout.entries.filter(({ offset }) => offset >= stretch.offset && offset < end)) {
      assert(
        tensor.offset + tensor.length <= end,
        `${optimizer.name} updates whole tensors, but ${tensor.name} is cut at ${end}`,
      );
      updates.update(tensor, { decays: decays(tensor), norms: tensor.shape.length > 1 });
    }
  else
    for (const run of runsOf(layout, stretch, decays))
      for (const piece of piecesOf(run)) updates.update(piece, { decays: run.decays, norms: false });
  return updates.build({
    ...Object.fromEntries(["parameters", "gradients", ...stateNames].map((vector) => [vector, end])),
    hyper: (spares === undefined ? 0 : SPARED_HYPER_OFFSET) + HYPER_ELEMENTS,
    ...(ofSums && { samples: 1 }),
  });
}

/** The stretch in as few pieces as there are turns between tensors that decay and others; padding belongs to its tensor. */
function runsOf(
  { entries }: Layout,
  stretch: Stretch,
  decays: (tensor: LayoutEntry) => boolean,
): readonly (Stretch & { readonly decays: boolean })[] {
  const end = stretch.offset + stretch.length;
  const runs: { offset: number; decays: boolean }[] = [];
  entries.forEach((tensor, i) => {
    const behind = entries[i + 1]?.offset ?? end;
    if (behind <= stretch.offset || tensor.offset >= end || runs.at(-1)?.decays === decays(tensor)) return;
    runs.push({ offset: Math.max(tensor.offset, stretch.offset), decays: decays(tensor) });
  });
  return runs.map((run, i) => ({ ...run, length: (runs[i + 1]?.offset ?? end) - run.offset }));
}

function piecesOf({ offset, length }: Stretch): readonly Stretch[] {
  return Array.from({ length: Math.ceil(length / MOST_UPDATED_ELEMENTS) }, (_, i) => {
    const begin = i * MOST_UPDATED_ELEMENTS;
    return { offset: offset + begin, length: Math.min(MOST_UPDATED_ELEMENTS, length - begin) };
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

  #gradients({ offset, length }: Stretch): ValueId {
    return this.#value(length, "gradients", { kind: "vector", vector: "gradients", offset });
  }

  #squaresOf(vector: ValueId): ValueId {
    const squares = this.#value(1, "squares", { kind: "arena" });
    this.#instructions.push({ op: sumOfSquares, params: {}, inputs: [vector], outputs: [squares] });
    return squares;
  }

  #changeGradients(op: AnyOp, params: object, stretch: Stretch, operands: readonly ValueId[]): void {
    const inputs = [this.#gradients(stretch), ...operands];
    this.#instructions.push({ op, params, inputs, outputs: [this.#gradients(stretch)] });
  }

  divideGradients(stretch: Stretch): void {
    const samples = this.#value(1, "samples", { kind: "vector", vector: "samples", offset: 0 });
    for (const piece of piecesOf(stretch)) this.#changeGradients(divide, {}, piece, [samples]);
  }

  clipValues(stretch: Stretch, maximum: number): void {
    for (const piece of piecesOf(stretch)) this.#changeGradients(clipValue, { maximum }, piece, []);
  }

  clipNorm(stretch: Stretch, maximum: number): void {
    this.#changeGradients(clipNorm, { maximum }, stretch, [this.#squaresOf(this.#gradients(stretch))]);
  }

  /** With `norms`, the op gets the squared norms of the stretch's parameters and gradients. */
  update(
    { offset, length }: Stretch,
    { decays, norms }: { readonly decays: boolean; readonly norms: boolean },
  ): void {
    const { op, params, stateNames } = this.#rule;
    const slice = (vector: string) => this.#value(length, vector, { kind: "vector", vector, offset });
    const vectors = ["parameters", "gradients", ...stateNames].map(slice);
    const inputs = [
      ...vectors,
      this.#value(HYPER_ELEMENTS, "hyper", {
        ...{ kind: "vector", vector: "hyper" },
        offset: decays ? 0 : SPARED_HYPER_OFFSET,
      }),
    ];
    if (norms) for (const vector of vectors.slice(0, 2)) inputs.push(this.#squaresOf(vector));
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
