// A codec turns a chunk's f32 values into bytes and back; zstd comes after it. One codec per file beside this one.
// It sees one chunk without its neighbours, so any division of the vector gives valid payloads.

export interface Codec {
  /** What users write in a configuration. */
  readonly name: string;
  /** What frames carry; never given to another codec. */
  readonly id: number;
  /** The most bytes that `encode` gives for `length` values. */
  maxEncodedBytes(length: number): number;
  /** Whether a payload of so many bytes can hold `length` values. */
  accepts(payloadBytes: number, length: number): boolean;
  /** The values as bytes, the same for the same values; may be a view of `values`, then it is valid until they change. */
  encode(values: Float32Array): Uint8Array;
  /** Writes `out.length` values of an accepted payload. */
  decode(payload: Uint8Array, out: Float32Array): void;
  /**
   * Sets or adds `sums.length` values of an accepted payload. Sums are f64, so that their f32 mean is rounded once,
   * whatever the number of ranks.
   */
  accumulate(payload: Uint8Array, sums: Float64Array, mode: "set" | "add"): void;
}
