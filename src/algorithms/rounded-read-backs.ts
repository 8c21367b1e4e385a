// How a bucket of gradients comes back from a GPU that has rounded stretches of it to bf16: those as words, half the bytes,
// the others as they are. On the host both are f32 again.

import { ROUNDED_GRADIENTS } from "../graph/round-gradients.ts";
import { bf16 } from "../shard/codec/bf16.ts";
import type { ElementRange } from "../shard/layout.ts";
import type { VectorReadBack } from "./replica.ts";

const NOTHING = new Uint8Array(0);
const HALF_BYTES = 2;

/** Those of `stretches` that lie in `range`; none lies across its ends. */
export function stretchesIn(stretches: readonly ElementRange[], range: ElementRange): ElementRange[] {
  return stretches.filter(({ begin, end }) => begin >= range.begin && end <= range.end);
}

/** `rounded` are the stretches in `bucket`, in order; they do not overlap. `ready` is told when all of the bucket is in the mirrors of both vectors. */
export function bucketReadBacks(
  bucket: ElementRange,
  rounded: readonly ElementRange[],
  { after, ready }: Required<Pick<VectorReadBack, "after" | "ready">>,
): VectorReadBack[] {
  const words = rounded.map(({ begin, end }): VectorReadBack => ({
    ...{ vector: ROUNDED_GRADIENTS, after, begin },
    end: begin + Math.ceil((end - begin) / 2),
  }));
  const gaps = rounded.map(({ begin }, i): VectorReadBack => ({
    ...{ vector: "gradients", after, end: begin },
    begin: rounded[i - 1]?.end ?? bucket.begin,
  }));
  const rest = { begin: rounded.at(-1)?.end ?? bucket.begin, end: bucket.end };
  return [
    ...words,
    ...gaps.filter(({ begin, end }) => begin < end),
    { vector: "gradients", after, ready, ...rest },
  ];
}

/** Writes to `gradients` what `words`, the mirror of the rounded ones, says of `rounded`. */
export function widen(words: Float32Array, rounded: readonly ElementRange[], gradients: Float32Array): void {
  for (const { begin, end } of rounded) {
    const halves = words.subarray(begin, end);
    const rest = new Uint8Array(halves.buffer, halves.byteOffset, (end - begin) * HALF_BYTES);
    bf16.decode({ rest, compressible: NOTHING }, gradients.subarray(begin, end));
  }
}
