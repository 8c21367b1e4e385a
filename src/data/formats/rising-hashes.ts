// The hashes of a row, put in any order and taken rising. A row has some dozens, for which a call of sort() takes too long;
// hashes spread evenly, so that each has a place near which it will lie: Amble and Knuth, Ordered Hash Tables (1974).

const EMPTY = -1;

export class RisingHashes {
  /** Rising, with empty places between; a run of places may go on behind the last home. */
  readonly #places: Int32Array;
  /** That were taken last, rising. */
  readonly taken: Int32Array;
  /** A hash's home are its leading bits. */
  readonly #homeShift: number;
  #end = 0;

  /** For at most `capacity` hashes of `hashBits` bits, 30 at most. */
  constructor(capacity: number, hashBits: number) {
    const homeBits = Math.min(hashBits, Math.ceil(Math.log2(2 * capacity + 1)));
    this.#homeShift = hashBits - homeBits;
    this.#places = new Int32Array(2 ** homeBits + capacity).fill(EMPTY);
    this.taken = new Int32Array(this.#places.length);
  }

  put(hash: number): void {
    const places = this.#places;
    let at = hash >>> this.#homeShift;
    let carried = hash;
    for (let held = places[at]!; held !== EMPTY; held = places[++at]!) {
      if (held <= carried) continue;
      places[at] = carried;
      carried = held;
    }
    places[at] = carried;
    if (at >= this.#end) this.#end = at + 1;
  }

  /** Puts all of them into `taken`, equal ones side by side, and is empty again. Returns how many there are. */
  take(): number {
    const places = this.#places;
    const { taken } = this;
    const end = this.#end;
    let count = 0;
    for (let at = 0; at < end; at++) {
      const held = places[at]!;
      places[at] = EMPTY;
      taken[count] = held;
      // Without a branch, which would be guessed wrong every other time: 0 for an empty place.
      count += 1 + (held >> 31);
    }
    this.#end = 0;
    return count;
  }

  clear(): void {
    if (this.#end > 0) this.take();
  }
}
