// Writes WebAssembly modules from TypeScript, with no tool chain: functions over i32 parameters, locals, structured
// control flow, one imported memory. It checks types through TypeScript's, and leaves validation to the engine.

import {
  codeOf,
  codeOfBody,
  encodeUnsigned,
  i32,
  statement,
  type Body,
  type Code,
  type Expr,
  type I32,
  type Statement,
  type ValueType,
} from "./instructions.ts";

const TYPE_CODES: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** A variable of a function. */
export class Local<T extends ValueType> {
  readonly type: T;
  readonly code: Code;
  readonly #index: Code;

  constructor(type: T, index: number) {
    this.type = type;
    this.#index = encodeUnsigned(index);
    this.code = [0x20, this.#index];
  }

  set(value: Expr<T> | (T extends "i32" ? number : never)): Statement {
    return statement(codeOf(value), 0x21, this.#index);
  }

  /** Sets the local and leaves the value. */
  tee(value: Expr<T>): Expr<T> {
    return { type: this.type, code: [value.code, 0x22, this.#index] };
  }
}

/** Adds to an i32 local; nothing for a constant zero. */
export function increase(local: Local<"i32">, by: I32): Body {
  return by === 0 ? [] : local.set(i32.add(local, by));
}

const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const BRANCH = 0x0c;
const BRANCH_IF = 0x0d;
const NO_RESULT = 0x40;

export function when(condition: I32, then: Body, otherwise?: Body): Statement {
  return statement(
    codeOf(condition),
    [IF, NO_RESULT],
    codeOfBody(then),
    otherwise === undefined ? [] : [ELSE, codeOfBody(otherwise)],
    END,
  );
}

/** Ends the function. */
export const leave: Statement = statement(0x0f);

export function whileLoop(condition: I32, body: Body): Statement {
  return statement(
    [BLOCK, NO_RESULT, LOOP, NO_RESULT],
    [codeOf(i32.eqz(condition)), BRANCH_IF, 1],
    codeOfBody(body),
    [BRANCH, 0, END, END],
  );
}

/** Runs `body` a constant number of times, counting `counter` down; a single pass needs no loop. */
export function repeat(counter: Local<"i32">, count: number, body: Body): Body {
  if (count <= 1) return count === 1 ? body : [];
  const again = counter.tee(i32.sub(counter, 1));
  return [
    counter.set(count),
    statement([LOOP, NO_RESULT], codeOfBody(body), [again.code, BRANCH_IF, 0, END]),
  ];
}

/** `for (index = from; index < to; index += step)`, unsigned. */
export function forRange(index: Local<"i32">, from: I32, to: I32, step: number, body: Body): Body {
  return [index.set(from), whileLoop(i32.ltU(index, to), [body, index.set(i32.add(index, step))])];
}

/** Declares the locals of one function. */
export class FunctionBuilder {
  readonly #parameterCount: number;
  readonly #types: ValueType[] = [];

  constructor(parameterCount: number) {
    this.#parameterCount = parameterCount;
  }

  local<T extends ValueType>(type: T): Local<T> {
    this.#types.push(type);
    return new Local(type, this.#parameterCount + this.#types.length - 1);
  }

  locals<T extends ValueType>(type: T, count: number): readonly Local<T>[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** Locals by name, to be taken apart: `const { row, column } = f.named("i32", ["row", "column"])`. */
  named<T extends ValueType, const N extends readonly string[]>(
    type: T,
    names: N,
  ): Readonly<Record<N[number], Local<T>>> {
    const entries = names.map((name) => [name, this.local(type)]);
    return Object.fromEntries(entries) as Record<N[number], Local<T>>;
  }

  /** The function's entry in the code section. */
  encode(body: Body): Code {
    const declarations = this.#types.map((type) => [1, TYPE_CODES[type]]);
    return sized([vector(declarations), codeOfBody(body), END]);
  }
}

/** A function of the module under construction. */
export interface FunctionRef {
  readonly index: number;
  call(...args: readonly I32[]): Statement;
}

export interface ModuleOptions {
  /**
   * Of the shared memory to import, its declared maximum in pages of 64 KiB; it must have been made with the same. If
   * left out, the memory is one that is not shared, of any size.
   */
  readonly maximumPages?: number;
  /** Whether the engine has relaxed SIMD (a fused multiply-add). */
  readonly relaxedSimd: boolean;
}

/** Collects functions. It imports a memory as `env.memory`. */
export class ModuleBuilder {
  readonly relaxedSimd: boolean;
  readonly #maximumPages: number | undefined;
  readonly #functions = new Map<string, FunctionRef>();
  readonly #parameterCounts: number[] = [];
  readonly #codes: Code[] = [];
  readonly #exports: Code[] = [];

  constructor(options: ModuleOptions) {
    this.relaxedSimd = options.relaxedSimd;
    this.#maximumPages = options.maximumPages;
  }

  /**
   * A function of i32 parameters and no result. `key` is its full specification: a function of an equal key is
   * emitted once, and callers share it.
   */
  func<const N extends readonly string[]>(
    key: string,
    parameters: N,
    build: (parameters: Readonly<Record<N[number], Local<"i32">>>, locals: FunctionBuilder) => Body,
  ): FunctionRef {
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const locals = new FunctionBuilder(parameters.length);
    const named = Object.fromEntries(parameters.map((name, i) => [name, new Local("i32", i)]));
    // A body may add the functions that it calls, so the index is taken after it is built.
    const code = locals.encode(build(named as Record<N[number], Local<"i32">>, locals));
    const index = this.#codes.push(code) - 1;
    this.#parameterCounts.push(parameters.length);
    const ref: FunctionRef = {
      index,
      call: (...args) => statement(args.map(codeOf), 0x10, encodeUnsigned(index)),
    };
    this.#functions.set(key, ref);
    return ref;
  }

  export(name: string, func: FunctionRef): void {
    this.#exports.push([text(name), 0, encodeUnsigned(func.index)]);
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const NO_MAXIMUM = 0;
    const SHARED_WITH_MAXIMUM = 3;
    const memoryLimits =
      this.#maximumPages === undefined
        ? [NO_MAXIMUM, 1]
        : [SHARED_WITH_MAXIMUM, 1, encodeUnsigned(this.#maximumPages)];
    const memoryImport = [text("env"), text("memory"), 2, memoryLimits];
    const types = this.#parameterCounts.map((count) => [
      0x60,
      vector(new Array<number>(count).fill(TYPE_CODES.i32)),
      vector([]),
    ]);
    return flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, vector(types)),
      section(2, vector([memoryImport])),
      section(3, vector(types.map((_, i) => encodeUnsigned(i)))),
      section(7, vector(this.#exports)),
      section(10, vector(this.#codes)),
    ]);
  }
}

/** Where code is flattened to; grows as needed. */
let buffer = new Uint8Array(1 << 16);

function flatten(code: Code): Uint8Array<ArrayBuffer> {
  const end = append([code], 0);
  return buffer.slice(0, end);
}

/** Much cheaper than `instanceof Uint8Array`, of which it is the opposite. */
const isNested = Array.isArray as (code: Code) => code is readonly Code[];

/** Writes code at `at` and returns its end. Most parts are single bytes: not worth a call each. */
function append(code: readonly Code[], at: number): number {
  let end = at;
  for (let i = 0; i < code.length; i++) {
    const part = code[i]!;
    if (typeof part === "number") {
      if (end === buffer.length) grow(end + 1);
      buffer[end++] = part;
    } else if (isNested(part)) end = append(part, end);
    else {
      if (end + part.length > buffer.length) grow(end + part.length);
      buffer.set(part, end);
      end += part.length;
    }
  }
  return end;
}

function grow(length: number): void {
  const larger = new Uint8Array(2 * length);
  larger.set(buffer);
  buffer = larger;
}

function sized(code: Code): Code {
  const bytes = flatten(code);
  return [encodeUnsigned(bytes.length), bytes];
}

function vector(items: readonly Code[]): Code {
  return [encodeUnsigned(items.length), items];
}

function text(value: string): Code {
  return sized(new TextEncoder().encode(value));
}

function section(id: number, content: Code): Code {
  return [id, sized(content)];
}
