// Typed WebAssembly instructions: each returns the bytes of an expression (one value on the stack) or of a statement
// (none). Opcodes: WebAssembly Core Specification 3.0, chapter "Binary Format / Instructions". Only what kernels use.

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** Byte code, nested so that composing costs nothing; flattened once, when the module is written. */
export type Code = number | Uint8Array | readonly Code[];

/** Code that leaves one value of type T. */
export interface Expr<T extends ValueType> {
  readonly type: T;
  readonly code: Code;
}

/** Code that leaves the stack as it was. */
export interface Statement {
  readonly type: "statement";
  readonly code: Code;
}

export type Body = Statement | readonly Body[];

/** A plain number stands for an i32 constant: lengths, strides and addresses are known when a program is compiled. */
export type I32 = Expr<"i32"> | number;
export type I64 = Expr<"i64">;
export type F32 = Expr<"f32">;
export type F64 = Expr<"f64">;
export type V128 = Expr<"v128">;

export function encodeUnsigned(value: number): Code {
  if (value < 0x80) return value;
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** `value`: an i32, as signed or unsigned. */
function encodeSigned(value: number): Code {
  let rest = value | 0;
  if (rest >= -64 && rest <= 63) return rest & 0x7f;
  const bytes: number[] = [];
  for (; rest < -64 || rest > 63; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest & 0x7f);
  return bytes;
}

function encodeSigned64(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const SIMD_PREFIX = 0xfd;
const BULK_PREFIX = 0xfc;

function simd(opcode: number): Code {
  return [SIMD_PREFIX, encodeUnsigned(opcode)];
}

export function statement(...code: Code[]): Statement {
  return { type: "statement", code };
}

export function codeOf(value: Expr<ValueType> | number): Code {
  return typeof value === "number" ? i32.const(value).code : value.code;
}

/** The bytes of statements in order. */
export function codeOfBody(body: Body): Code {
  return "code" in body ? body.code : body.map(codeOfBody);
}

type Operand<T extends ValueType> = T extends "i32" ? I32 : Expr<T>;

function unary<A extends ValueType, R extends ValueType>(_from: A, type: R, opcode: Code) {
  return (a: Operand<A>): Expr<R> => ({ type, code: [codeOf(a), opcode] });
}

function binary<A extends ValueType, R extends ValueType>(_from: A, type: R, opcode: Code) {
  return (a: Operand<A>, b: Operand<A>): Expr<R> => ({ type, code: [codeOf(a), codeOf(b), opcode] });
}

function ternary(opcode: Code) {
  return (a: V128, b: V128, c: V128): V128 => ({ type: "v128", code: [a.code, b.code, c.code, opcode] });
}

/** `offset` is a constant number of bytes added to the address; the alignment is a hint only. */
function load<T extends ValueType>(type: T, opcode: Code, alignment: number) {
  return (address: I32, offset = 0): Expr<T> => ({
    type,
    code: [codeOf(address), opcode, alignment, encodeUnsigned(offset)],
  });
}

function store<T extends ValueType>(_type: T, opcode: Code, alignment: number) {
  return (address: I32, value: Operand<T>, offset = 0): Statement =>
    statement(codeOf(address), codeOf(value), opcode, alignment, encodeUnsigned(offset));
}

function storeLane(opcode: number, alignment: number) {
  return (address: I32, value: V128, lane: number, offset = 0): Statement =>
    statement(codeOf(address), value.code, simd(opcode), alignment, encodeUnsigned(offset), lane);
}

function shift(opcode: number) {
  return (a: V128, count: I32): V128 => ({ type: "v128", code: [a.code, codeOf(count), simd(opcode)] });
}

function splat<T extends ValueType>(_from: T, opcode: number) {
  return unary(_from, "v128", simd(opcode));
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export const i32 = {
  const: (value: number): Expr<"i32"> => ({
    type: "i32",
    code: [0x41, encodeSigned(value)],
  }),
  load: load("i32", 0x28, 2),
  load8U: load("i32", 0x2d, 0),
  store: store("i32", 0x36, 2),
  add: binary("i32", "i32", 0x6a),
  sub: binary("i32", "i32", 0x6b),
  mul: binary("i32", "i32", 0x6c),
  divU: binary("i32", "i32", 0x6e),
  and: binary("i32", "i32", 0x71),
  or: binary("i32", "i32", 0x72),
  shl: binary("i32", "i32", 0x74),
  shrU: binary("i32", "i32", 0x76),
  eqz: unary("i32", "i32", 0x45),
  eq: binary("i32", "i32", 0x46),
  ne: binary("i32", "i32", 0x47),
  shrS: binary("i32", "i32", 0x75),
  ltS: binary("i32", "i32", 0x48),
  ltU: binary("i32", "i32", 0x49),
  gtS: binary("i32", "i32", 0x4a),
  gtU: binary("i32", "i32", 0x4b),
  geU: binary("i32", "i32", 0x4f),
  xor: binary("i32", "i32", 0x73),
  rotl: binary("i32", "i32", 0x77),
  ctz: unary("i32", "i32", 0x68),
  popcnt: unary("i32", "i32", 0x69),
  reinterpretF32: unary("f32", "i32", 0xbc),
  wrapI64: unary("i64", "i32", 0xa7),
  /** `condition ? a : b`, both evaluated. */
  select: (condition: I32, a: I32, b: I32): Expr<"i32"> => ({
    type: "i32",
    code: [codeOf(a), codeOf(b), codeOf(condition), 0x1b],
  }),
};

export const i64 = {
  extendI32U: unary("i32", "i64", 0xad),
  const: (value: bigint): I64 => ({ type: "i64", code: [0x42, encodeSigned64(BigInt.asIntN(64, value))] }),
  load: load("i64", 0x29, 3),
  store: store("i64", 0x37, 3),
  reinterpretF64: unary("f64", "i64", 0xbd),
  ltU: binary("i64", "i32", 0x54),
  geU: binary("i64", "i32", 0x5a),
  add: binary("i64", "i64", 0x7c),
  mul: binary("i64", "i64", 0x7e),
  xor: binary("i64", "i64", 0x85),
  shrU: binary("i64", "i64", 0x88),
};

export const f32 = {
  const: (value: number): F32 => ({ type: "f32", code: [0x43, bytesOf(Float32Array.of(value))] }),
  load: load("f32", 0x2a, 2),
  store: store("f32", 0x38, 2),
  sub: binary("f32", "f32", 0x93),
  mul: binary("f32", "f32", 0x94),
  div: binary("f32", "f32", 0x95),
  sqrt: unary("f32", "f32", 0x91),
  eq: binary("f32", "i32", 0x5b),
  convertI32S: unary("i32", "f32", 0xb2),
  demoteF64: unary("f64", "f32", 0xb6),
};

export const f64 = {
  load: load("f64", 0x2b, 3),
  store: store("f64", 0x39, 3),
  const: (value: number): F64 => ({ type: "f64", code: [0x44, bytesOf(Float64Array.of(value))] }),
  add: binary("f64", "f64", 0xa0),
  sub: binary("f64", "f64", 0xa1),
  mul: binary("f64", "f64", 0xa2),
  div: binary("f64", "f64", 0xa3),
  neg: unary("f64", "f64", 0x9a),
  lt: binary("f64", "i32", 0x63),
  promoteF32: unary("f32", "f64", 0xbb),
  convertI64S: unary("i64", "f64", 0xb9),
  /** `condition ? a : b`, both evaluated. */
  select: (condition: I32, a: F64, b: F64): F64 => ({
    type: "f64",
    code: [a.code, b.code, codeOf(condition), 0x1b],
  }),
};

export const v128 = {
  zero: { type: "v128", code: [simd(12), new Array<number>(16).fill(0)] } as V128,
  load: load("v128", simd(0), 2),
  load32Splat: load("v128", simd(9), 2),
  load64Splat: load("v128", simd(10), 3),
  /** Eight bytes, then zeros. */
  load64Zero: load("v128", simd(0x5d), 3),
  store: store("v128", simd(11), 2),
  store32Lane: storeLane(0x5a, 2),
  store64Lane: storeLane(0x5b, 2),
  and: binary("v128", "v128", simd(0x4e)),
  /** `a & ~b`. */
  andNot: binary("v128", "v128", simd(0x4f)),
  or: binary("v128", "v128", simd(0x50)),
  xor: binary("v128", "v128", simd(0x51)),
  /** The bits of `a` where `mask` is set, of `b` elsewhere. */
  bitselect: ternary(simd(0x52)),
};

/** Four f32 lanes. */
export const f32x4 = {
  splat: splat("f32", 0x13),
  extractLane: (a: V128, lane: number): F32 => ({ type: "f32", code: [a.code, simd(0x1f), lane] }),
  eq: binary("v128", "v128", simd(0x41)),
  ne: binary("v128", "v128", simd(0x42)),
  lt: binary("v128", "v128", simd(0x43)),
  gt: binary("v128", "v128", simd(0x44)),
  abs: unary("v128", "v128", simd(0xe0)),
  neg: unary("v128", "v128", simd(0xe1)),
  floor: unary("v128", "v128", simd(0x68)),
  nearest: unary("v128", "v128", simd(0x6a)),
  sqrt: unary("v128", "v128", simd(0xe3)),
  add: binary("v128", "v128", simd(0xe4)),
  sub: binary("v128", "v128", simd(0xe5)),
  mul: binary("v128", "v128", simd(0xe6)),
  div: binary("v128", "v128", simd(0xe7)),
  /** `b < a ? b : a`: a NaN in `a` stays, one instruction on x64 (f32x4.min takes several). */
  pmin: binary("v128", "v128", simd(0xea)),
  /** `a < b ? b : a`: a NaN in `a` stays. */
  pmax: binary("v128", "v128", simd(0xeb)),
  convertI32x4S: unary("v128", "v128", simd(0xfa)),
  /** Of two f64 lanes; the last two are zeros. */
  demoteF64x2Zero: unary("v128", "v128", simd(0x5e)),
  /** `a * b + c`, rounded once or twice as the machine prefers (relaxed SIMD). */
  relaxedMadd: ternary(simd(0x105)),
  /** `c - a * b`, rounded likewise. */
  relaxedNmadd: ternary(simd(0x106)),
};

/** Four i32 lanes. */
export const i32x4 = {
  splat: splat("i32", 0x11),
  /** Four constants. */
  const: (lanes: readonly [number, number, number, number]): V128 => ({
    type: "v128",
    code: [simd(12), bytesOf(Int32Array.of(...lanes))],
  }),
  extractLane: (a: V128, lane: number): Expr<"i32"> => ({ type: "i32", code: [a.code, simd(0x1b), lane] }),
  replaceLane: (a: V128, lane: number, value: I32): V128 => ({
    type: "v128",
    code: [a.code, codeOf(value), simd(0x1c), lane],
  }),
  /** The lanes' highest bits, lane 0's in bit 0. */
  bitmask: unary("v128", "i32", simd(0xa4)),
  eq: binary("v128", "v128", simd(0x37)),
  ltU: binary("v128", "v128", simd(0x3a)),
  gtU: binary("v128", "v128", simd(0x3c)),
  geS: binary("v128", "v128", simd(0x3f)),
  add: binary("v128", "v128", simd(0xae)),
  sub: binary("v128", "v128", simd(0xb1)),
  mul: binary("v128", "v128", simd(0xb5)),
  maxU: binary("v128", "v128", simd(0xb9)),
  shl: shift(0xab),
  shrS: shift(0xac),
  shrU: shift(0xad),
  /** Of eight i16 lanes each, the sums of two neighbouring products. */
  dotI16x8S: binary("v128", "v128", simd(0xba)),
  truncSatF32x4S: unary("v128", "v128", simd(0xf8)),
  /** Of eight lanes the first or the last four. */
  extendLowI16x8S: unary("v128", "v128", simd(0xa7)),
  extendHighI16x8S: unary("v128", "v128", simd(0xa8)),
  extendLowI16x8U: unary("v128", "v128", simd(0xa9)),
  extendHighI16x8U: unary("v128", "v128", simd(0xaa)),
};

/** Eight i16 lanes. */
export const i16x8 = {
  splat: splat("i32", 0x10),
  mul: binary("v128", "v128", simd(0x95)),
  shrU: shift(0x8d),
  /** The lanes of `a`, then those of `b`, each the nearest value of 16 bits. */
  narrowI32x4S: binary("v128", "v128", simd(0x85)),
  narrowI32x4U: binary("v128", "v128", simd(0x86)),
  extendLowI8x16S: unary("v128", "v128", simd(0x87)),
  extendHighI8x16S: unary("v128", "v128", simd(0x88)),
};

/** Sixteen i8 lanes. */
export const i8x16 = {
  splat: splat("i32", 0x0f),
  /** Sixteen constants. */
  const: (lanes: readonly number[]): V128 => ({ type: "v128", code: [simd(12), Uint8Array.from(lanes)] }),
  sub: binary("v128", "v128", simd(0x71)),
  gtU: binary("v128", "v128", simd(0x28)),
  /** The lanes' highest bits, lane 0's in bit 0. */
  bitmask: unary("v128", "i32", simd(0x64)),
  /** The lanes of `a` that `b` counts; zero where it counts beyond 15. */
  swizzle: binary("v128", "v128", simd(0x0e)),
  narrowI16x8S: binary("v128", "v128", simd(0x65)),
};

/** Two f64 lanes. */
export const f64x2 = {
  splat: splat("f64", 0x14),
  floor: unary("v128", "v128", simd(0x75)),
  add: binary("v128", "v128", simd(0xf0)),
  sub: binary("v128", "v128", simd(0xf1)),
  mul: binary("v128", "v128", simd(0xf2)),
  div: binary("v128", "v128", simd(0xf3)),
  /** Of the first two of four f32 lanes. */
  promoteLowF32x4: unary("v128", "v128", simd(0x5f)),
};

/** Two i64 lanes. */
export const i64x2 = {
  add: binary("v128", "v128", simd(0xce)),
  mul: binary("v128", "v128", simd(0xd5)),
  shrU: shift(0xcd),
  /** Whole products of the first or the last two lanes of four. */
  extmulLowI32x4U: binary("v128", "v128", simd(0xde)),
  extmulHighI32x4U: binary("v128", "v128", simd(0xdf)),
};

/** Picks sixteen bytes: 0..15 of `a`, 16..31 of `b`. */
export function shuffle8(a: V128, b: V128, bytes: readonly number[]): V128 {
  return { type: "v128", code: [a.code, b.code, simd(13), bytes] };
}

/** Picks 32-bit lanes: 0..3 of `a`, 4..7 of `b`. */
export function shuffle32(a: V128, b: V128, lanes: readonly [number, number, number, number]): V128 {
  const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));
  return shuffle8(a, b, bytes);
}

export const memory = {
  copy: (target: I32, source: I32, sizeBytes: I32): Statement =>
    statement(codeOf(target), codeOf(source), codeOf(sizeBytes), BULK_PREFIX, 10, 0, 0),
  fill: (target: I32, byte: I32, sizeBytes: I32): Statement =>
    statement(codeOf(target), codeOf(byte), codeOf(sizeBytes), BULK_PREFIX, 11, 0),
};
