// What the bytes of frames are, value by value in plain arithmetic: the kernels of codecs are tested against it.

/** Bytes before any are set apart for zstd; of int8 the scales, then the integers. */
export type PlainEncode = (values: Float32Array, seed: number) => Uint8Array;

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);
const isNumber = (bits: number): boolean => (bits & 0x7f800000) !== 0x7f800000;
const roundedUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** The integer nearest to x >= 0, the even one of equally near ones. */
function nearest(x: number): number {
  const below = Math.floor(x);
  const above = x - below;
  return above > 0.5 || (above === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** Calls `encode` for each block of `values`. */
function inBlocks(
  values: Float32Array,
  block: number,
  encode: (part: Float32Array, at: number) => void,
): void {
  for (let at = 0; at < values.length; at += block) encode(values.subarray(at, at + block), at);
}

export const plainBf16: PlainEncode = (values) => {
  const out = new Uint16Array(roundedUp(values.length, 4));
  bitsOf(values).forEach((bits, i) => {
    const half = isNumber(bits) ? nearest(bits / 2 ** 16) : bits >>> 16;
    out[i] = (bits & 0x7fffffff) > 0x7f800000 ? half | 0x40 : half;
  });
  return new Uint8Array(out.buffer);
};

/** Of magnitudes below 2^16. */
function plainHalf(x: number, negative: boolean): number {
  const sign = negative ? 0x8000 : 0;
  if (Number.isNaN(x)) return sign | 0x7e00;
  const size = Math.abs(x);
  if (size === Infinity) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  // The first digit of a normal number stands for 1 in the exponent; a carry out of the digits goes there too.
  return sign | (nearest(size / 2 ** (exponent - 10)) + (exponent + 14) * 0x400);
}

export const plainFp16: PlainEncode = (values) => {
  const blocks = Math.ceil(values.length / 1024);
  const out = new Uint8Array(roundedUp(blocks * 4 + values.length * 2, 8));
  const view = new DataView(out.buffer);
  inBlocks(values, 1024, (part, at) => {
    const bits = bitsOf(part);
    const largest = bits.reduce((most, one) => Math.max(most, one & 0x7fffffff), 0);
    const exponent = 14 + 127 - Math.max(1, largest >>> 23);
    view.setInt32((at / 1024) * 4, exponent, true);
    part.forEach((value, i) =>
      view.setUint16(
        blocks * 4 + (at + i) * 2,
        plainHalf(value * 2 ** exponent, bits[i]! >>> 31 === 1),
        true,
      ),
    );
  });
  return out;
};

export const plainInt8: PlainEncode = (values, seed) => {
  const blocks = Math.ceil(values.length / 512);
  const out = new Uint8Array(blocks * 4 + values.length);
  const view = new DataView(out.buffer);
  inBlocks(values, 512, (part, at) => {
    const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = Number.isFinite(largest) ? Math.fround(Math.max(largest / 127, 2 ** -126)) : NaN;
    view.setFloat32((at / 512) * 4, scale, true);
    const units = 0x10000 / scale;
    let state = mixed(seed + Math.imul(at / 512 + 1, 0x9e3779b1));
    part.forEach((value, i) => {
      if (i % 2 === 0) state = xorshift(state);
      const random = i % 2 === 0 ? state & 0xffff : state >>> 16;
      view.setInt8(blocks * 4 + at + i, (Math.floor(value * units) + random) >> 16);
    });
  });
  return out;
};

function mixed(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16) || 1;
}

function xorshift(state: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  return state ^ (state << 5);
}
