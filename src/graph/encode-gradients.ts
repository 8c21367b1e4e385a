// A training program that also encodes pieces of its gradients, each as soon as it is final, as the codec of shard/ would on
// the host: a GPU then gives back the bytes that are sent, and no others.

import type { Instruction, Value } from "../device/device.ts";
import { assert } from "../errors.ts";
import type { AnyOp } from "../kernels/op.ts";
import { fp16ChunkEncode, int8ChunkEncode, topKChunkEncode } from "../kernels/ops/chunk-codecs.ts";
import { bf16Encode } from "../kernels/ops/half-precision.ts";
import { ALIGNMENT_ELEMENTS, elementCount, f32, i32 } from "../kernels/tensor.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { parseCodec } from "../shard/codec/codecs.ts";
import { FP16_BLOCK } from "../shard/codec/fp16.ts";
import { INT8_BLOCK } from "../shard/codec/int8.ts";
import { keptOf } from "../shard/codec/top-k.ts";
import type { ElementRange, Layout } from "../shard/layout.ts";
import type { TrainingProgram } from "./program.ts";

/** A piece's words (`Codec.words`) begin at the element at which it does in "gradients". */
export const ENCODED_GRADIENTS = "gradients.encoded";
/** What error feedback keeps of each element; of biased codecs alone. */
export const GRADIENT_RESIDUALS = "gradients.residual";
/** i32: of piece i at element i * SEED_STRIDE; of codecs that round stochastically alone. */
export const ROUNDING_SEEDS = "gradients.seeds";
export const SEED_STRIDE = ALIGNMENT_ELEMENTS;

export interface GradientPiece extends ElementRange {
  /** As `parseCodec` reads it. */
  readonly codec: string;
}

/** An op that encodes a piece to words, and what it takes and leaves beside. */
interface Encoder {
  readonly op: AnyOp;
  readonly params: object;
  /** Operand 1 is a seed. */
  readonly isSeeded?: true;
  /** Operand 1 and output 1 are the residual. */
  readonly keepsResidual?: true;
}

/** By the codec's name without its parameter. */
const ENCODERS: Readonly<Record<string, (length: number, codec: Codec) => Encoder>> = {
  bf16: () => ({ op: bf16Encode, params: {} }),
  fp16: () => ({ op: fp16ChunkEncode, params: { blockElements: FP16_BLOCK } }),
  int8: () => ({ op: int8ChunkEncode, params: { blockElements: INT8_BLOCK }, isSeeded: true }),
  "top-k": (length, { parameter: sharePpm }) => ({
    ...{ op: topKChunkEncode, params: { kept: keptOf(sharePpm, length) }, keepsResidual: true },
  }),
};

function encoderOf(spec: string, length: number): Encoder {
  const codec = parseCodec(spec);
  const encoder = ENCODERS[codec.name.split(":")[0]!]?.(length, codec);
  assert(encoder !== undefined, `${codec.name} has an encoder for devices`);
  return encoder;
}

/** Whether its pieces need seeds. */
export function roundsStochastically(spec: string): boolean {
  return encoderOf(spec, ALIGNMENT_ELEMENTS).isSeeded === true;
}

/** Whether a device can encode with it. */
export function canEncode(spec: string): boolean {
  const codec = parseCodec(spec);
  return codec.words !== undefined && codec.name.split(":")[0]! in ENCODERS;
}

/**
 * `pieces` begin and end at multiples of 64, do not overlap, and are not empty. `gradientReadyAt` then tells when a
 * gradient's pieces are encoded as well.
 */
export function withEncodedGradients(
  built: TrainingProgram,
  pieces: readonly GradientPiece[],
): TrainingProgram {
  const { program, plan, parameters, gradientReadyAt } = built;
  const values: Value[] = [...program.values];
  const vectors: Record<string, number> = { ...program.vectors, [ENCODED_GRADIENTS]: parameters.length };
  const add = (name: string, type: Value["type"], vector: string, offset: number): number =>
    values.push({ name, type, place: { kind: "vector", vector, offset } }) - 1;

  const encode = (index: number): Instruction => {
    const { begin, end, codec } = pieces[index]!;
    assert(
      begin % ALIGNMENT_ELEMENTS === 0 && end % ALIGNMENT_ELEMENTS === 0 && begin < end,
      `a piece of gradients is [${begin}, ${end})`,
    );
    const { op, params, isSeeded, keepsResidual } = encoderOf(codec, end - begin);
    const name = `[${begin}, ${end})`;
    const type = f32(end - begin);
    const inputs = [add(`gradients${name}`, type, "gradients", begin)];
    if (isSeeded) {
      vectors[ROUNDING_SEEDS] = pieces.length * SEED_STRIDE;
      inputs.push(add(`${ROUNDING_SEEDS}[${index}]`, i32(1), ROUNDING_SEEDS, index * SEED_STRIDE));
    }
    if (keepsResidual) {
      vectors[GRADIENT_RESIDUALS] = parameters.length;
      inputs.push(add(`${GRADIENT_RESIDUALS}${name}`, type, GRADIENT_RESIDUALS, begin));
    }
    const [words] = op.infer(
      inputs.map((id) => values[id]!.type),
      params,
    );
    assert(elementCount(words!) === parseCodec(codec).words!.count(end - begin), `${op.name} leaves words`);
    const outputs = [add(`${ENCODED_GRADIENTS}${name}`, words!, ENCODED_GRADIENTS, begin)];
    if (keepsResidual) outputs.push(inputs[1]!);
    return { op, params, inputs, outputs };
  };

  /** By instruction after which they are ready. */
  const due = Map.groupBy(pieces.keys(), (index) =>
    Math.max(...tensorsIn(parameters, pieces[index]!).map((tensor) => gradientReadyAt[tensor]!)),
  );
  const instructions: Instruction[] = [];
  /** By instruction of the program as it was: the last one that belongs to it now. */
  const endsAt = program.instructions.map((instruction, index) => {
    instructions.push(instruction, ...(due.get(index) ?? []).map(encode));
    return instructions.length - 1;
  });
  return {
    ...built,
    program: { values, instructions, vectors },
    plan: { ...plan, offsets: values.map((_, id) => plan.offsets[id] ?? -1) },
    gradientReadyAt: gradientReadyAt.map((index) => endsAt[index]!),
  };
}

/** Indices of the tensors that a piece has elements of; the padding behind a tensor belongs to it. */
function tensorsIn({ entries, length }: Layout, { begin, end }: ElementRange): number[] {
  return [...entries.keys()].filter((i) => {
    const tensorEnd = entries[i + 1]?.offset ?? length;
    return entries[i]!.offset < end && tensorEnd > begin;
  });
}
