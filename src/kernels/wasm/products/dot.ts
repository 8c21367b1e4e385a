// Kernels of `dense` for a few outputs (a classifier's last layer): every output is a dot product with the reduction
// on the lanes, for a tile of columns would leave most of its lanes empty.
//
// An element is eight chains of multiply-adds, of every eighth step of the reduction, added up in pairs; the steps
// that are left follow in order. So tiles of any shape give equal bits, but not those of gemm.ts.

import type { KernelCall } from "../../kernel.ts";
import { dense, type DenseParams } from "../../ops/matmul.ts";
import {
  increase,
  repeat,
  when,
  whileLoop,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, multiplyAdd, storeRow, VECTOR_BYTES, vectorsOf } from "../../../wasm/lanes.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import { isWide, suits, TILE_ROWS, type TileWidth } from "./tile.ts";
import { transpose4x4 } from "../../../wasm/transpose.ts";
import { emitTurn } from "./turn.ts";

/** Chains of an element, two vectors. */
const CHAINS = 8;
const CHAIN_BYTES = CHAINS * FLOAT_BYTES;

interface DotSpec {
  readonly n: number;
  readonly k: number;
  readonly bias: boolean;
  readonly relu: boolean;
}

const TILE_COLUMNS = 6;

/** Rows of a tile whose sums, a pair of vectors each, fit 16 registers together with the operands. */
function rowsOf(columns: number, tileWidth: TileWidth): number {
  const sums = isWide(tileWidth) ? 12 : 6;
  const rows = Math.max(1, Math.floor(sums / columns));
  return rows > 2 && columns > 2 ? rows - 1 : rows;
}

/** A function (a, b, sums): leaves the chains of rows x columns elements in `sums`, whose rows have n of them. */
function emitChains(
  module: ModuleBuilder,
  { n, k }: DotSpec,
  rows: number,
  columns: number,
  tileWidth: TileWidth,
): FunctionRef {
  const passes = Math.floor(k / CHAINS);
  const key = `chains ${tileWidth} ${rows}x${columns} ${n} ${k}`;
  return module.func(key, ["a", "b", "sums"], ({ a, b, sums }, f) => {
    const pass = f.local("i32");
    const chains = Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => f.locals("v128", 2)),
    );
    const left = Array.from({ length: Math.min(rows, columns) }, () => f.locals("v128", 2));
    const right = f.locals("v128", 2);
    const loadPair = (pair: readonly Local<"v128">[], at: Local<"i32">, offset: number): Body =>
      pair.map((half, i) => half.set(v128.load(at, offset + i * VECTOR_BYTES)));
    const aOffset = (i: number) => i * k * FLOAT_BYTES;
    const bOffset = (j: number) => j * passes * CHAIN_BYTES;
    const add = (i: number, j: number, x: readonly V128[], y: readonly V128[]): Body =>
      chains[i]![j]!.map((sum, half) => sum.set(multiplyAdd(module, x[half]!, y[half]!, sum)));
    // The fewer of the two stay in registers, the others come one by one.
    const step: Body =
      rows <= columns
        ? [
            left.map((pair, i) => loadPair(pair, a, aOffset(i))),
            chains[0]!.map((_, j) => [
              loadPair(right, b, bOffset(j)),
              left.map((pair, i) => add(i, j, pair, right)),
            ]),
          ]
        : [
            left.map((pair, j) => loadPair(pair, b, bOffset(j))),
            chains.map((_, i) => [
              loadPair(right, a, aOffset(i)),
              left.map((pair, j) => add(i, j, right, pair)),
            ]),
          ];
    return [
      repeat(pass, passes, [step, increase(a, CHAIN_BYTES), increase(b, CHAIN_BYTES)]),
      chains.map((row, i) =>
        row.map((pair, j) =>
          pair
            .map((half, l) => v128.store(sums, half, (i * n + j) * CHAIN_BYTES + l * VECTOR_BYTES))
            .reverse(),
        ),
      ),
    ];
  });
}

/** A function (sums, a, b, bias, c) that makes one row of c of its chains, and of the last steps of a and b. */
function emitTotals(module: ModuleBuilder, spec: DotSpec): FunctionRef {
  const { n, k } = spec;
  const names = ["sums", "a", "b", "bias", "c"] as const;
  return module.func(`totals ${JSON.stringify(spec)}`, names, ({ sums, a, b, bias, c }, f) => {
    const square = transpose4x4(f);
    const groups = vectorsOf(n);
    const totals = f.locals("v128", groups.length);
    const total = ({ offset, lanes }: (typeof groups)[number], g: number): Body => {
      const chain = (i: number) => (offset / FLOAT_BYTES + Math.min(i, lanes - 1)) * CHAIN_BYTES;
      const [first, second, third, fourth] = square.columns;
      return [
        square.rows.map((row, i) =>
          row.set(f32x4.add(v128.load(sums, chain(i)), v128.load(sums, chain(i) + VECTOR_BYTES))),
        ),
        square.interleave,
        totals[g]!.set(f32x4.add(f32x4.add(first, second), f32x4.add(third, fourth))),
        Array.from({ length: k % CHAINS }, (_, t) => {
          const step = v128.load(b, t * n * FLOAT_BYTES + offset);
          return totals[g]!.set(multiplyAdd(module, v128.load32Splat(a, t * FLOAT_BYTES), step, totals[g]!));
        }),
        spec.bias ? totals[g]!.set(f32x4.add(totals[g]!, v128.load(bias, offset))) : [],
        spec.relu ? totals[g]!.set(f32x4.pmax(totals[g]!, v128.zero)) : [],
      ];
    };
    return [groups.map(total), storeRow(c, groups, totals)];
  });
}

export function denseDotKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-dense-dot-${TILE_ROWS}x${tileWidth}-wasm`,
    op: dense,
    accepts: (_, target) => suits(tileWidth, target),
    pays({ inputs }) {
      const [m, k] = inputs[0]!.shape as [number, number];
      const n = inputs[1]!.shape[1]!;
      // Half a tile of columns, or nearly all of one, is well filled; few rows do not pay for turning b.
      return m >= 16 && (n <= 4 ? k >= 16 : k >= 128 && n <= 12 && n !== 7 && n !== 8);
    },
    emit(module, { inputs, outputs, params }: KernelCall<DenseParams>) {
      const [m, n] = outputs[0]!.shape as [number, number];
      const k = inputs[0]!.shape[1]!;
      const spec: DotSpec = { n, k, bias: inputs.length === 3, relu: params.activation === "relu" };
      const wholeSteps = k - (k % CHAINS);
      const columns = balancedPieces(n, TILE_COLUMNS);
      const rowsOfTile = rowsOf(columns[0]!.size, tileWidth);
      const names = ["begin", "end", "a", "b", "bias", "c", "turned", "scratch"] as const;
      const parameters = names.filter((name) => name !== "bias" || spec.bias);
      const key = `${tileWidth} ${m} ${JSON.stringify(spec)}`;

      const turnB = module.func(`dense-dot turn ${key}`, parameters, (p) =>
        emitTurn(module, {
          rows: n,
          columns: wholeSteps,
          sourceRow: n * FLOAT_BYTES,
          targetRow: wholeSteps * FLOAT_BYTES,
          accumulate: false,
          mask: false,
        }).call(p.b, p.turned),
      );
      const multiply = module.func(`dense-dot ${key}`, parameters, (p, f) => {
        const at = f.named("i32", ["remaining", "right", "sums", "row"]);
        const bias = spec.bias ? p.bias : 0;
        const totals = emitTotals(module, spec);
        const lastB = i32.add(p.b, wholeSteps * n * FLOAT_BYTES);
        /** The next `rows` rows of c. */
        const tile = (rows: number): Body => [
          at.right.set(p.turned),
          at.sums.set(p.scratch),
          columns.map(({ count, size }) =>
            repeat(at.row, count, [
              emitChains(module, spec, rows, size, tileWidth).call(p.a, at.right, at.sums),
              increase(at.right, size * wholeSteps * FLOAT_BYTES),
              increase(at.sums, size * CHAIN_BYTES),
            ]),
          ),
          at.sums.set(p.scratch),
          repeat(at.row, rows, [
            totals.call(at.sums, i32.add(p.a, wholeSteps * FLOAT_BYTES), lastB, bias, p.c),
            increase(at.sums, n * CHAIN_BYTES),
            increase(p.a, k * FLOAT_BYTES),
            increase(p.c, n * FLOAT_BYTES),
          ]),
        ];
        const rest = m % rowsOfTile;
        return [
          at.remaining.set(i32.sub(p.end, p.begin)),
          increase(p.a, i32.mul(p.begin, k * FLOAT_BYTES)),
          increase(p.c, i32.mul(p.begin, n * FLOAT_BYTES)),
          whileLoop(i32.geU(at.remaining, rowsOfTile), [
            tile(rowsOfTile),
            increase(at.remaining, -rowsOfTile),
          ]),
          rest === 0 ? [] : when(at.remaining, tile(rest)),
        ];
      });
      return {
        phases: [
          { func: turnB, extent: 1, grain: 1 },
          { func: multiply, extent: m, grain: rowsOfTile },
        ],
        sharedBytes: Math.max(1, n * wholeSteps) * FLOAT_BYTES,
        scratchBytes: rowsOfTile * n * CHAIN_BYTES,
      };
    },
  };
}
