// Weights from a safetensors file, a part of a tensor at a time. The types that training frameworks save in; other files of the format are
// safetensors.ts's.

import { LENGTH_BYTES, parseSafetensorsHeader, safetensorsHeaderEnd } from "../safetensors-header.ts";
import { SltrainError } from "../../errors.ts";
import { fromBf16, fromF16 } from "./halves.ts";
import { damaged, type ByteSource, type WeightFile } from "./byte-source.ts";

/** By the format's name of a type: from its bytes, which are aligned, to f32. */
const decoders: Readonly<Record<string, (bytes: Uint8Array) => Float32Array>> = {
  F32: ({ buffer }) => new Float32Array(buffer),
  F64: ({ buffer }) => Float32Array.from(new Float64Array(buffer)),
  F16: ({ buffer }) => fromF16(new Uint16Array(buffer)),
  BF16: ({ buffer }) => fromBf16(new Uint16Array(buffer)),
};

const elementBytes = { F32: 4, F64: 8, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };

/** Throws SltrainError "weights-damaged", and "weights-unsupported" where no tensor can be a weight. */
export async function openSafetensors(source: ByteSource): Promise<WeightFile> {
  const { where, sizeBytes } = source;
  const fail = (what: string, cause?: unknown): never => {
    throw damaged(where, what, cause);
  };
  const start = await source.read(0, Math.min(sizeBytes, LENGTH_BYTES));
  const bodyBegin = safetensorsHeaderEnd(start, sizeBytes, fail);
  const header = await source.read(LENGTH_BYTES, bodyBegin);
  const { entries } = parseSafetensorsHeader(header, sizeBytes - bodyBegin, elementBytes, fail);
  // Others are counters, such as those of batches that PyTorch's batch norm keeps.
  const tensors = entries
    .filter(({ dtype }) => Object.hasOwn(decoders, dtype))
    .map(({ name, dtype, shape, begin: tensorBegin }) => {
      const at = (element: number) =>
        bodyBegin + tensorBegin + element * elementBytes[dtype as keyof typeof elementBytes];
      const read = async (begin: number, end: number) =>
        decoders[dtype]!(await source.read(at(begin), at(end)));
      return { name, shape, read };
    });
  if (tensors.length > 0) return { where, tensors, close: () => source.close() };
  const types = [...new Set(entries.map(({ dtype }) => dtype))].join(", ");
  throw new SltrainError({
    code: "weights-unsupported",
    message: `${where}: expected tensors of ${Object.keys(decoders).join(", ")}, got ${types || "none"}`,
  });
}
