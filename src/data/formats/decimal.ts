// Decimal numbers straight from bytes: the inner loop of every text format. Equal to JavaScript's Number() of the same
// text, which it falls back to where a product of doubles would not be sure of the last bit
// (Clinger, How to Read Floating Point Numbers Accurately, PLDI 1990).

/** 10^0 .. 10^22: the powers of ten that a double holds exactly. */
const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
/** Below it a double holds every whole number. */
const MAX_EXACT = 2 ** 53;
/** So long a mantissa has lost less than 2^-48 of itself when it was added up digit by digit. */
const MAX_SUMMED = 1e26;
const MAX_EXPONENT_DIGITS_SEEN = 100_000;

const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);
/** A double that rounds to one f32 or the next has these as its last 29 bits: 1 and then zeros. */
const F32_MIDPOINT = 2 ** 28;
const LAST_29_BITS = 2 ** 29 - 1;
/** In units of the double's last place: twice 2^-48 of it, at its largest. */
const MIDPOINT_MARGIN = 64;
const MIN_NORMAL_F32 = 2 ** -126;

const HIGH_HALVES = 0xf0f0f0f0 | 0;
const ZEROS = 0x30303030;
const TO_SIXTEEN = 0x06060606;

/**
 * Reads numbers such as `-12.5e3`. The bytes must hold something that no number has in it behind the number: a reader
 * looks no further, and does not look for the end of the array.
 */
export class DecimalReader {
  /** The number that was read last; NaN if there was none. Returned, it would be an object for each number. */
  value = NaN;
  #bytes: Uint8Array = new Uint8Array();
  #words: DataView = new DataView(new ArrayBuffer(0));
  /** Where the last four bytes begin. */
  #lastWord = 0;

  /** `value` becomes a double that rounds to the right f32. Returns where the number ends; `at` if there is none. */
  single(bytes: Uint8Array, at: number): number {
    return this.#read(bytes, at, true);
  }

  /** `value` becomes the double nearest to the number. Returns where it ends; `at` if there is none. */
  double(bytes: Uint8Array, at: number): number {
    return this.#read(bytes, at, false);
  }

  #read(bytes: Uint8Array, begin: number, single: boolean): number {
    if (bytes !== this.#bytes) this.#open(bytes);
    let at = begin;
    let byte = bytes[at]!;
    const negative = byte === MINUS;
    if (negative || byte === PLUS) byte = bytes[++at]!;
    const firstDigit = at;
    let mantissa = 0;
    for (let digit = byte ^ ZERO; digit < 10; digit = bytes[++at]! ^ ZERO) mantissa = mantissa * 10 + digit;
    let digits = at - firstDigit;
    let exponent = 0;
    if (bytes[at] === POINT) {
      const firstDecimal = ++at;
      // Decimals are many: four at a time (Lemire, Number Parsing at a Gigabyte per Second, 2021, section 4).
      for (const words = this.#words, last = this.#lastWord; at <= last; at += 4) {
        const word = words.getInt32(at, true);
        if ((((word & HIGH_HALVES) ^ ZEROS) | (((word + TO_SIXTEEN) & HIGH_HALVES) ^ ZEROS)) !== 0) break;
        const pairs = (Math.imul(word & 0x0f0f0f0f, 2561) >>> 8) & 0x00ff00ff;
        mantissa = mantissa * 10_000 + (Math.imul(pairs, 6_553_601) >>> 16);
      }
      for (let digit = bytes[at]! ^ ZERO; digit < 10; digit = bytes[++at]! ^ ZERO) {
        mantissa = mantissa * 10 + digit;
      }
      exponent = firstDecimal - at;
      digits -= exponent;
    }
    this.value = NaN;
    if (digits === 0) return begin;
    if ((bytes[at]! | 0x20) === LOWER_E) {
      at = this.#exponent(bytes, at + 1);
      if (at < 0) return begin;
      exponent += this.#parsedExponent;
    }

    const power = exponent < 0 ? -exponent : exponent;
    if (mantissa < MAX_EXACT ? power <= 22 : single && mantissa < MAX_SUMMED && power <= 22) {
      const size = exponent < 0 ? mantissa / POWERS_OF_TEN[power]! : mantissa * POWERS_OF_TEN[power]!;
      if (mantissa < MAX_EXACT || roundsSurelyToF32(size)) {
        this.value = negative ? -size : size;
        return at;
      }
    }
    this.value = Number(String.fromCharCode(...bytes.subarray(begin, at)));
    return at;
  }

  #open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#lastWord = bytes.length - 4;
  }

  #parsedExponent = 0;

  /** Returns where the exponent's digits end, or -1 if there are none. */
  #exponent(bytes: Uint8Array, begin: number): number {
    const sign = bytes[begin]!;
    let at = sign === MINUS || sign === PLUS ? begin + 1 : begin;
    const first = at;
    let exponent = 0;
    for (let digit = bytes[at]! ^ ZERO; digit < 10; digit = bytes[++at]! ^ ZERO) {
      if (exponent < MAX_EXPONENT_DIGITS_SEEN) exponent = exponent * 10 + digit;
    }
    this.#parsedExponent = sign === MINUS ? -exponent : exponent;
    return at === first ? -1 : at;
  }
}

/** Whether a double that is a few units of its last place off rounds to the same f32 as the number that is meant. */
function roundsSurelyToF32(size: number): boolean {
  double[0] = size;
  const distance = (doubleWords[0]! & LAST_29_BITS) - F32_MIDPOINT;
  return size >= MIN_NORMAL_F32 && (distance > MIDPOINT_MARGIN || distance < -MIDPOINT_MARGIN);
}
