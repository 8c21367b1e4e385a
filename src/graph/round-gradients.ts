// A training program that also rounds stretches of its gradients to bf16, each as soon as it is final, so that a GPU gives
// back half the bytes of what is sent as bf16 anyway.

import type { Instruction, Value } from "../device/device.ts";
import { assert } from "../errors.ts";
import { bf16Encode } from "../kernels/ops/half-precision.ts";
import { ALIGNMENT_ELEMENTS, f32 } from "../kernels/tensor.ts";
import type { ElementRange, Layout } from "../shard/layout.ts";
import type { TrainingProgram } from "./program.ts";

/** A stretch's words (two halves each, the first in the low one) begin at the element at which it does in "gradients". */
export const ROUNDED_GRADIENTS = "gradients.bf16";

/**
 * `stretches` of "gradients" begin at multiples of 64, do not overlap, and are not empty. `gradientReadyAt` then tells when
 * a gradient's stretches are rounded as well.
 */
export function withRoundedGradients(
  built: TrainingProgram,
  stretches: readonly ElementRange[],
): TrainingProgram {
  const { program, plan, parameters, gradientReadyAt } = built;
  const values: Value[] = [...program.values];
  /** By instruction after which they are ready. */
  const rounding = Map.groupBy(stretches, (stretch) =>
    Math.max(...tensorsIn(parameters, stretch).map((tensor) => gradientReadyAt[tensor]!)),
  );
  const instructions: Instruction[] = [];
  /** By instruction of the program as it was: the last one that belongs to it now. */
  const endsAt = program.instructions.map((instruction, index) => {
    instructions.push(instruction);
    for (const { begin, end } of rounding.get(index) ?? []) {
      assert(begin % ALIGNMENT_ELEMENTS === 0 && begin < end && end <= parameters.length, "a stretch");
      const inputs = [f32(end - begin)];
      const outputs = bf16Encode.infer(inputs, {});
      const name = `${ROUNDED_GRADIENTS}[${begin}, ${end})`;
      const from = values.push({ type: inputs[0]!, name, place: inVector("gradients", begin) }) - 1;
      const to = values.push({ type: outputs[0]!, name, place: inVector(ROUNDED_GRADIENTS, begin) }) - 1;
      instructions.push({ op: bf16Encode, params: {}, inputs: [from], outputs: [to] });
    }
    return instructions.length - 1;
  });
  return {
    ...built,
    program: {
      values,
      instructions,
      vectors: { ...program.vectors, [ROUNDED_GRADIENTS]: parameters.length },
    },
    plan: { ...plan, offsets: values.map((_, id) => plan.offsets[id] ?? -1) },
    gradientReadyAt: gradientReadyAt.map((index) => endsAt[index]!),
  };
}

function inVector(vector: string, offset: number): Value["place"] {
  return { kind: "vector", vector, offset };
}

/** Indices of the tensors that a stretch has elements of; the padding behind a tensor belongs to it. */
function tensorsIn({ entries, length }: Layout, { begin, end }: ElementRange): number[] {
  return [...entries.keys()].filter((i) => {
    const tensorEnd = entries[i + 1]?.offset ?? length;
    return entries[i]!.offset < end && tensorEnd > begin;
  });
}
