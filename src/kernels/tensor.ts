// Types of tensors. A tensor is dense and row-major; images are NHWC, filters HWIO, dense weights [in, out].

export type DType = "f32" | "i32";

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export type TensorData = Float32Array | Float64Array | Int32Array;

export function f32(...shape: number[]): TensorType {
  return { dtype: "f32", shape };
}

export function i32(...shape: number[]): TensorType {
  return { dtype: "i32", shape };
}

export function elementCount(type: TensorType): number {
  return type.shape.reduce((product, extent) => product * extent, 1);
}

/** Every tensor starts at a multiple of this many elements: WebGPU binds buffers at multiples of 256 bytes. */
export const ALIGNMENT_ELEMENTS = 64;

export function alignElements(count: number): number {
  return Math.ceil(count / ALIGNMENT_ELEMENTS) * ALIGNMENT_ELEMENTS;
}

/** `f32[32,28,28,1]`, for messages. */
export function formatType(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(",")}]`;
}
