// Kernels reach WebAssembly's memory alone, and vectors, frames and sums lie elsewhere: they pass through this window, a
// block at a time, which stays in the processor's nearest caches. Copying takes a twentieth of what JavaScript's loops
// took, and leaves it to everyone else where memory lies.
//
// One thread has one window. What is in it counts until the next call of anything that works in it.

import { type FunctionRef, ModuleBuilder } from "../../wasm/emitter.ts";

/** Values of a block: a multiple of what all codecs take together. */
export const BLOCK_VALUES = 2048;
/** Kernels may compute so many values at a time; see `fillTail`. */
export const PASS_VALUES = 32;

const PAGE_BYTES = 65536;
const VALUES_BYTES = BLOCK_VALUES * Float32Array.BYTES_PER_ELEMENT;

/** Byte addresses, each of as much as a block takes at most. */
export const AT = {
  /** f32 values. */
  values: 0,
  /** f64 sums. */
  sums: VALUES_BYTES,
  /** f64 addends. */
  doubles: 3 * VALUES_BYTES,
  /** What a codec makes of the values, */
  encoded: 5 * VALUES_BYTES,
  /** its bytes apart, */
  low: 6 * VALUES_BYTES,
  high: 7 * VALUES_BYTES,
  /** and what belongs to many values: factors, scales. */
  shared: PAGE_BYTES,
  /** f64 */
  factor: PAGE_BYTES + 512,
  /** What only kernels use. */
  scratch: PAGE_BYTES + 1024,
  /** A checksum's state and constants, and the bytes to come. */
  checksum: PAGE_BYTES + 8192,
} as const;

const memory = new WebAssembly.Memory({ initial: 2 });
const bytes = new Uint8Array(memory.buffer);
/** [BLOCK_VALUES] */
export const blockValues = new Float32Array(memory.buffer, AT.values, BLOCK_VALUES);
const factor = new Float64Array(memory.buffer, AT.factor, 1);

type Kernels<N extends string> = Readonly<Record<N, (...args: number[]) => void>>;

/** The functions that `emitters` write, over the window's memory; compiled when they are first asked for. */
export function inWindow<const N extends string>(
  emitters: Readonly<Record<N, (module: ModuleBuilder) => FunctionRef>>,
): () => Kernels<N> {
  let kernels: Kernels<N> | undefined;
  return () => (kernels ??= compile(emitters));
}

function compile<N extends string>(
  emitters: Readonly<Record<N, (module: ModuleBuilder) => FunctionRef>>,
): Kernels<N> {
  const module = new ModuleBuilder({ relaxedSimd: false });
  for (const [name, emit] of Object.entries<(module: ModuleBuilder) => FunctionRef>(emitters))
    module.export(name, emit(module));
  const compiled = new WebAssembly.Module(module.toBytes());
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as Kernels<N>;
}

/** Buffer's moves shared memory as fast as any other; `set` of typed arrays takes three times as long. */
type Copy = (this: Uint8Array, target: Uint8Array, at: number, begin: number, end: number) => number;
const { copy } = Buffer.prototype as { readonly copy: Copy };

/** Bytes [begin, end) of `source` to the address. */
export function copyIn(address: number, source: Uint8Array, begin: number, end: number): void {
  copy.call(source, bytes, address, begin, end);
}

/** `sizeBytes` from the address to `target`, from byte `begin` on. */
export function copyOut(target: Uint8Array, begin: number, address: number, sizeBytes: number): void {
  copy.call(bytes, target, begin, address, address + sizeBytes);
}

/** All of `source` to the beginning of `target`: in two parts, for Buffer leaves a whole one to `set`. */
export function copyAll(source: Uint8Array, target: Uint8Array): void {
  const middle = source.byteLength >> 1;
  copy.call(source, target, 0, 0, middle);
  copy.call(source, target, middle, middle, source.byteLength);
}

/** Zeros in [begin, end) of the window. */
export function clear(begin: number, end: number): void {
  bytes.fill(0, begin, end);
}

/** Zeros behind `count` values, to the end of a pass: what is computed of them must be the same every time. */
export function fillTail(count: number): void {
  if (count % PASS_VALUES !== 0) blockValues.fill(0, count, Math.ceil(count / PASS_VALUES) * PASS_VALUES);
}

export function setFactor(value: number): void {
  factor[0] = value;
}

/** The same memory as bytes. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
