// Covering a row of floats with vectors: full ones, and a last one of which only the first lanes count. Loads may
// take the full vector (see SLACK_BYTES); stores must not.

import { increase, when, whileLoop, type Local } from "./emitter.ts";
import { f32, f32x4, i32, v128, type Body, type I32, type V128 } from "./instructions.ts";

export const FLOAT_BYTES = 4;
export const VECTOR_FLOATS = 4;
export const VECTOR_BYTES = 16;

export interface Vector {
  /** Bytes from the row's start. */
  readonly offset: number;
  /** Lanes that belong to the row, 1..4. */
  readonly lanes: number;
}

/** Four times a constant. */
export function splat(value: number): V128 {
  return f32x4.splat(f32.const(value));
}

/** The vectors that cover `floats` consecutive elements. */
export function vectorsOf(floats: number): readonly Vector[] {
  return Array.from({ length: Math.ceil(floats / VECTOR_FLOATS) }, (_, i) => ({
    offset: i * VECTOR_BYTES,
    lanes: Math.min(VECTOR_FLOATS, floats - i * VECTOR_FLOATS),
  }));
}

/** x * y + z, fused where the engine can. */
export function multiplyAdd(
  { relaxedSimd }: { readonly relaxedSimd: boolean },
  x: V128,
  y: V128,
  z: V128,
): V128 {
  return relaxedSimd ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);
}

/** Stores the first `lanes` lanes. */
function storeLanes(address: I32, value: V128, lanes: number, offset: number): Body {
  if (lanes === VECTOR_FLOATS) return v128.store(address, value, offset);
  return [
    lanes >= 2 ? v128.store64Lane(address, value, 0, offset) : [],
    lanes % 2 === 1 ? v128.store32Lane(address, value, lanes - 1, offset + (lanes - 1) * FLOAT_BYTES) : [],
  ];
}

/** Stores a row, last vector first: V8 joins two neighbouring stores if the higher address comes first. */
export function storeRow(
  address: I32,
  vectors: readonly Vector[],
  values: readonly V128[],
  baseOffset = 0,
): Body {
  return vectors
    .map(({ offset, lanes }, i) => storeLanes(address, values[i]!, lanes, baseOffset + offset))
    .reverse();
}

/** Floats that one pass of `sweep` covers: four vectors hide latencies and make two pairs for the revectoriser. */
export const SWEEP_FLOATS = 16;

/**
 * Runs `body` over `floats` consecutive elements, up to SWEEP_FLOATS at a time. `body` addresses its operands
 * relative to `pointers`, which advance together and end behind the last element.
 */
export function sweep(
  floats: number,
  counter: Local<"i32">,
  pointers: readonly Local<"i32">[],
  body: (vectors: readonly Vector[]) => Body,
): Body {
  const passes = Math.floor(floats / SWEEP_FLOATS);
  const rest = floats % SWEEP_FLOATS;
  const advance = (count: number): Body => pointers.map((pointer) => increase(pointer, count * FLOAT_BYTES));
  return [
    passes === 0
      ? []
      : [
          counter.set(passes),
          whileLoop(counter, [
            body(vectorsOf(SWEEP_FLOATS)),
            advance(SWEEP_FLOATS),
            counter.set(i32.sub(counter, 1)),
          ]),
        ],
    rest === 0 ? [] : [body(vectorsOf(rest)), advance(rest)],
  ];
}

/** A slice of elements in a row; `begin` is a multiple of what one pass covers. */
export interface Slice {
  readonly begin: Local<"i32">;
  readonly end: Local<"i32">;
}

/** An address that advances by so many bytes per element. */
export interface Stream {
  readonly pointer: Local<"i32">;
  readonly elementBytes: number;
}

/** Runs `body` over a slice of `elements` elements, `passElements` at a time and the rest of the row at last. */
export function sweepStreams(
  elements: number,
  { begin, end }: Slice,
  remaining: Local<"i32">,
  streams: readonly Stream[],
  passElements: number,
  body: (elements: number) => Body,
): Body {
  const rest = elements % passElements;
  return [
    streams.map(({ pointer, elementBytes }) => increase(pointer, i32.mul(begin, elementBytes))),
    remaining.set(i32.sub(end, begin)),
    whileLoop(i32.geU(remaining, passElements), [
      body(passElements),
      streams.map(({ pointer, elementBytes }) => increase(pointer, passElements * elementBytes)),
      increase(remaining, -passElements),
    ]),
    rest === 0 ? [] : when(remaining, body(rest)),
  ];
}

/** `sweep` over a slice of `floats` elements in a row. */
export function sweepSlice(
  floats: number,
  slice: Slice,
  remaining: Local<"i32">,
  pointers: readonly Local<"i32">[],
  body: (vectors: readonly Vector[]) => Body,
): Body {
  const streams = pointers.map((pointer) => ({ pointer, elementBytes: FLOAT_BYTES }));
  return sweepStreams(floats, slice, remaining, streams, SWEEP_FLOATS, (elements) =>
    body(vectorsOf(elements)),
  );
}
