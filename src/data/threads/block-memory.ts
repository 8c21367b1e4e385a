// Memory for the arrays of parsed blocks. What a receiver gives back is used again: memory that is new at each block has to
// be cleared by the system, and collected after it.

type Numbers = Float64Array | Float32Array | Uint32Array;

/** A smaller array is copied as it is. */
const LEAST_SPARE_BYTES = 32 * 2 ** 10;
const GRAIN_BYTES = 64 * 2 ** 10;
/** Three for each of some blocks on their way. */
const MAX_SPARES = 12;

export class BlockMemory {
  #spares: ArrayBuffer[] = [];

  giveBack(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) {
      if (buffer.byteLength < LEAST_SPARE_BYTES) continue;
      this.#spares.push(buffer);
      // What is too many is freed now: the collector would let it pile up.
      if (this.#spares.length > MAX_SPARES) this.#spares.shift()!.transfer(0);
    }
  }

  /** What was given back, for another memory. */
  take(count: number): ArrayBuffer[] {
    return this.#spares.splice(0, count);
  }

  /** The first `length` numbers, in memory of their own. */
  copy<T extends Numbers>(from: T, length: number): T {
    const bytes = length * from.BYTES_PER_ELEMENT;
    if (bytes < LEAST_SPARE_BYTES) return from.slice(0, length) as T;
    const fitting = this.#spares.findIndex(({ byteLength }) => byteLength >= bytes);
    const [buffer] =
      fitting < 0
        ? [new ArrayBuffer(Math.ceil((1.1 * bytes) / GRAIN_BYTES) * GRAIN_BYTES)]
        : this.#spares.splice(fitting, 1);
    const Type = from.constructor as new (buffer: ArrayBuffer, begin: number, length: number) => T;
    const copy = new Type(buffer!, 0, length);
    copy.set(from.subarray(0, length));
    return copy;
  }
}
