// A small constant matrix times a list of vectors, written out as additions and multiply-adds. Winograd's matrices come
// from points and their negatives, so their rows, or their columns, are mirrored in pairs: (1, 2), (3, 4) and so on are
// equal in even places and opposite in odd ones. What the two have in common is computed once.

import type { FunctionBuilder, Local, ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32, f32x4, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { Matrix } from "./winograd-matrices.ts";

/** Vectors of neighbouring lanes; two of them make a pair that V8 joins. */
export type Lanes = readonly V128[];

interface Term {
  readonly factor: number;
  readonly lanes: Lanes;
}

type Target = readonly Local<"v128">[];

/** Sums that the rows of a group share, and what is left to add for each of them. */
interface Shared {
  readonly body: readonly Body[];
  readonly termsOf: (row: number) => readonly Term[];
}

export class MirroredMap {
  /** Sets the constants, ahead of all loops. It fills as `apply` asks for them, until the function is encoded. */
  readonly prologue: Body[] = [];
  readonly #matrix: Matrix;
  /** Results are components: rows are mirrored. Otherwise columns are. */
  readonly #toComponents: boolean;
  readonly #relaxedSimd: boolean;
  readonly #f: FunctionBuilder;
  readonly #shared: readonly Target[];
  readonly #factors = new Map<number, Local<"v128">>();

  /** `width`: vectors that are worked on side by side. */
  constructor(module: ModuleBuilder, f: FunctionBuilder, matrix: Matrix, width: number) {
    const size = Math.max(matrix.length, matrix[0]!.length);
    this.#f = f;
    this.#matrix = matrix;
    this.#toComponents = matrix.length === size;
    this.#relaxedSimd = module.relaxedSimd;
    this.#shared = Array.from({ length: Math.max(2, (size - 2) / 2) }, () => f.locals("v128", width));
  }

  /** The wanted results, in groups that share work. */
  groupsOf(wanted: readonly number[]): readonly (readonly number[])[] {
    const groups = Map.groupBy(wanted, (row) => (this.#toComponents ? Math.ceil(row / 2) : row % 2));
    return [...groups.values()];
  }

  /**
   * Sets the target of every row of a group to the sum of the row's entries times the terms, of which those that are
   * zero throughout are undefined. A row for which nothing is left is not set, and not among `rows`.
   */
  apply(
    group: readonly number[],
    terms: readonly (Lanes | undefined)[],
    targetOf: (row: number) => Target,
  ): { readonly body: Body; readonly rows: readonly number[] } {
    const { body, termsOf } = this.#toComponents
      ? this.#evenAndOdd(group, terms)
      : this.#pairs(group[0]! % 2 === 0 ? 1 : -1, terms);
    const rows = group.filter((row) => termsOf(row).length > 0);
    return { body: [body, rows.map((row) => this.#sum(targetOf(row), termsOf(row)))], rows };
  }

  /** Mirrored rows: one is the sum of its even and its odd part, the other their difference. */
  #evenAndOdd([first, second]: readonly number[], terms: readonly (Lanes | undefined)[]): Shared {
    const termsOf = (row: number) => presentTerms(this.#matrix[row]!, terms);
    if (second === undefined) return { body: [], termsOf };
    const ofParity = (parity: number) =>
      presentTerms(
        this.#matrix[first!]!.map((entry, i) => (i % 2 === parity ? entry : 0)),
        terms,
      );
    // The odd part is divided by its last entry, which saves a multiplication.
    const lead = this.#matrix[first!]!.findLast((entry, i) => i % 2 === 1 && entry !== 0) ?? 1;
    const parts = [
      { summands: ofParity(0), factor: 1 },
      { summands: ofParity(1).map(({ factor, lanes }) => ({ factor: factor / lead, lanes })), factor: lead },
    ];
    return {
      body: parts.map(({ summands }, i) =>
        summands.length === 0 ? [] : this.#sum(this.#shared[i]!, summands),
      ),
      termsOf: (row) =>
        parts.flatMap(({ summands, factor }, i) =>
          summands.length === 0
            ? []
            : [{ factor: i === 1 && row === second ? -factor : factor, lanes: this.#shared[i]! }],
        ),
    };
  }

  /** Mirrored columns: rows of equal parity need the sums of the pairs' terms, or the differences. */
  #pairs(sign: 1 | -1, terms: readonly (Lanes | undefined)[]): Shared {
    const pairs = Array.from({ length: (terms.length - 2) / 2 }, (_, pair) =>
      presentTerms([1, sign], terms.slice(2 * pair + 1, 2 * pair + 3)),
    );
    const folded = [
      terms[0],
      ...pairs.map((summands, pair) => (summands.length === 0 ? undefined : this.#shared[pair]!)),
      terms.at(-1),
    ];
    return {
      body: pairs.map((summands, pair) =>
        summands.length === 0 ? [] : this.#sum(this.#shared[pair]!, summands),
      ),
      termsOf: (row) => {
        const entries = this.#matrix[row]!;
        return presentTerms(
          [entries[0]!, ...pairs.map((_, pair) => entries[2 * pair + 1]!), entries.at(-1)!],
          folded,
        );
      },
    };
  }

  #sum(target: Target, summands: readonly Term[]): Body {
    // A sum that begins with a positive term needs no negation.
    const [first, ...others] = summands.toSorted((a, b) => Math.sign(b.factor) - Math.sign(a.factor));
    return target.map((local, lane) => {
      const begin = this.#scaled(Math.abs(first!.factor), first!.lanes[lane]!);
      return local.set(
        others.reduce(
          (sum, { factor, lanes }) => this.#plus(sum, factor, lanes[lane]!),
          first!.factor > 0 ? begin : f32x4.neg(begin),
        ),
      );
    });
  }

  #scaled(factor: number, value: V128): V128 {
    return factor === 1 ? value : f32x4.mul(value, this.#factor(factor));
  }

  /** sum + factor * value */
  #plus(sum: V128, factor: number, value: V128): V128 {
    const size = Math.abs(factor);
    if (size !== 1 && this.#relaxedSimd)
      return (factor > 0 ? f32x4.relaxedMadd : f32x4.relaxedNmadd)(value, this.#factor(size), sum);
    return (factor > 0 ? f32x4.add : f32x4.sub)(sum, this.#scaled(size, value));
  }

  #factor(size: number): Local<"v128"> {
    const known = this.#factors.get(size);
    if (known !== undefined) return known;
    const local = this.#f.local("v128");
    this.#factors.set(size, local);
    this.prologue.push(local.set(f32x4.splat(f32.const(size))));
    return local;
  }
}

function presentTerms(entries: readonly number[], terms: readonly (Lanes | undefined)[]): readonly Term[] {
  return entries.flatMap((factor, i) => {
    const lanes = terms[i];
    return factor === 0 || lanes === undefined ? [] : [{ factor, lanes }];
  });
}
