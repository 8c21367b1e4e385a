// All codecs: by what a user writes, and by what a frame carries. Loading it loads no library.

import { SltrainError } from "../../errors.ts";
import { bf16 } from "./bf16.ts";
import type { Codec } from "./codec.ts";
import { f32 } from "./f32.ts";
import { F32_SPARSE_ID, f32Sparse } from "./f32-sparse.ts";
import { fp16 } from "./fp16.ts";
import { int8 } from "./int8.ts";
import { sign } from "./sign.ts";
import { MILLION, TOP_K_ID, topK } from "./top-k.ts";

/** Without parameters. */
const plain: readonly Codec[] = [f32, bf16, fp16, int8, sign];
const byId = new Map(
  plain.flatMap((codec) => [codec, codec.shuffled ?? codec]).map((codec) => [codec.id, codec]),
);

/** As a user writes them; the part after a colon is an example. */
export const codecNames: readonly string[] = [...plain.map(({ name }) => name), "top-k:1%"];

/**
 * `f32`, `bf16`, `fp16`, `int8`, `sign`, `top-k:1%` or `top-k:0.01`. Throws SltrainError "codec-invalid", which offers
 * `names`.
 */
export function parseCodec(spec: string, names = codecNames): Codec {
  const known = plain.find(({ name }) => name === spec) ?? parseTopK(spec);
  if (known !== undefined) return known;
  throw new SltrainError({
    code: "codec-invalid",
    message: `codec: expected one of ${names.join(", ")}, but got ${JSON.stringify(spec)}`,
    suggestions: ["A share of top-k is a percentage (1%) or a fraction (0.01), from 0.0001% to 100%."],
  });
}

function parseTopK(spec: string): Codec | undefined {
  const [, number, percent] = /^top-k:(\d+(?:\.\d+)?)(%?)$/.exec(spec) ?? [];
  if (number === undefined) return undefined;
  const sharePpm = Math.round(Number(number) * (percent === "%" ? MILLION / 100 : MILLION));
  return sharePpm >= 1 && sharePpm <= MILLION ? topK(sharePpm) : undefined;
}

/** The codec of a frame. Throws SltrainError "codec-invalid" if this version has no such. */
export function codecOf(id: number, parameter: number): Codec {
  if (id === TOP_K_ID && parameter >= 1 && parameter <= MILLION) return topK(parameter);
  if (id === F32_SPARSE_ID) return f32Sparse(parameter);
  const codec = byId.get(id);
  if (codec?.parameter === parameter) return codec;
  throw new SltrainError({
    code: "codec-invalid",
    message: `codec: expected the number of a codec, but got ${id} with parameter ${parameter}`,
    suggestions: ["Another version of sltrain wrote it."],
  });
}
