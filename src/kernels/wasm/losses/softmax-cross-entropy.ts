// Kernels of softmax cross-entropy, its gradient, and both at once. Units are groups of rows. Rows of few classes go
// four at a time, one in each lane, for one alone is a chain of reductions; longer ones go one by one.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import {
  softmaxCrossEntropy,
  softmaxCrossEntropyGrad,
  type SoftmaxCrossEntropyParams,
  softmaxCrossEntropyWithGrad,
} from "../../ops/losses.ts";
import {
  forRange,
  increase,
  when,
  whileLoop,
  type FunctionBuilder,
  type Local,
} from "../../../wasm/emitter.ts";
import {
  f32,
  f32x4,
  f64,
  i32,
  i32x4,
  v128,
  type Body,
  type F64,
  type I32,
  type V128,
} from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, VECTOR_BYTES, VECTOR_FLOATS, vectorsOf } from "../../../wasm/lanes.ts";
import { groupsBytes, storeGroup, totalsPhase } from "./loss-groups.ts";
import { rowSums, sumLanes } from "../../../wasm/rows.ts";
import { rowExponentials, rowMaximum } from "./softmax.ts";
import { transpose4x4 } from "../../../wasm/transpose.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

/** Up to so many classes lie in registers, or nearly. */
const MAXIMUM_CLASSES_SIDE_BY_SIDE = 16;
const GROUP_ELEMENTS = 4096;

type I = Local<"i32">;

/** What a kernel computes rows with. */
interface Rows {
  readonly f: FunctionBuilder;
  readonly math: VectorMath;
  readonly classes: number;
  /** Addresses of the next row and label, and of its gradient or where its exponentials may go; all advance. */
  readonly logits: I;
  readonly labels: I;
  readonly target: I;
  /** If the loss is wanted. */
  readonly sums?: { readonly total: Local<"f64">; readonly hits: I };
  /** If the gradient is wanted: its scale. */
  readonly scale?: V128;
  /** If rows have weights: the address of the next one's, which advances. */
  readonly weights?: I | undefined;
  /** The share of the truth that all classes have alike. */
  readonly smoothing: number;
}

/** The next row. */
function oneRow({ f, math, classes, logits, labels, target, sums, scale, weights, smoothing }: Rows): Body {
  const { maximum, sum, logarithm } = f.named("v128", ["maximum", "sum", "logarithm"]);
  const { label, first, at, pass } = f.named("i32", ["label", "first", "at", "pass"]);
  const values = f.locals("v128", 4);
  const largest = f32x4.extractLane(maximum, 0);
  const valueAt = (index: I) => f32.load(i32.add(logits, i32.mul(index, FLOAT_BYTES)));
  const promoted = (value: V128) => f64.promoteF32(f32x4.extractLane(value, 0));
  const isClass = i32.ltU(label, classes);
  const { shortfalls, weight, share } = f.named("v128", ["shortfalls", "weight", "share"]);
  const weighted = (loss: F64): F64 => (weights ? f64.mul(promoted(weight), loss) : loss);
  // (largest - logit) is exact where it is small: a sure answer's loss keeps its digits.
  const shortfall = f64.sub(f64.promoteF32(largest), f64.promoteF32(valueAt(label)));
  const smoothed =
    smoothing === 0
      ? shortfall
      : f64.add(
          f64.mul(f64.const(1 - smoothing), shortfall),
          f64.mul(f64.const(smoothing / classes), promoted(shortfalls)),
        );
  return [
    weights ? [weight.set(v128.load32Splat(weights)), increase(weights, FLOAT_BYTES)] : [],
    rowMaximum(f, math, logits, classes, maximum),
    rowExponentials(f, math, logits, classes, maximum, sum, target),
    label.set(i32.load(labels)),
    sums === undefined
      ? []
      : [
          math.log(logarithm, sum),
          smoothing === 0
            ? []
            : [
                at.set(logits),
                rowSums(f, classes, [at], [shortfalls], (offset) => ({
                  terms: [f32x4.sub(maximum, v128.load(at, offset))],
                })),
              ],
          when(
            isClass,
            [
              sums.total.set(f64.add(sums.total, weighted(f64.add(promoted(logarithm), smoothed)))),
              when(f32.eq(valueAt(label), largest), [
                first.set(0),
                whileLoop(i32.eqz(f32.eq(valueAt(first), largest)), increase(first, 1)),
                increase(sums.hits, i32.eq(first, label)),
              ]),
            ],
            // No class has this label: the loss must not look like one.
            sums.total.set(f64.const(NaN)),
          ),
        ],
    scale === undefined
      ? []
      : [
          at.set(target),
          share.set(weights ? f32x4.mul(scale, weight) : scale),
          sweep(classes, pass, [at], (vectors) => [
            vectors.map(({ offset }, j) =>
              values[j]!.set(
                lessEverywhere(
                  math,
                  f32x4.mul(f32x4.div(v128.load(at, offset), sum), share),
                  share,
                  smoothing / classes,
                ),
              ),
            ),
            storeRow(at, vectors, values),
          ]),
          when(isClass, [
            at.set(i32.add(target, i32.mul(label, FLOAT_BYTES))),
            share.set(ofLabel(math, share, smoothing)),
            f32.store(at, f32.sub(f32.load(at), f32x4.extractLane(share, 0))),
          ]),
          increase(target, classes * FLOAT_BYTES),
        ],
    increase(logits, classes * FLOAT_BYTES),
    increase(labels, FLOAT_BYTES),
  ];
}

/** The next four rows, or as many as are left: the last of them then stands in the lanes behind it too. */
function fourRows(
  { f, math, classes, logits, labels, target, sums, scale, weights, smoothing }: Rows,
  left: I,
): Body {
  const rowBytes = classes * FLOAT_BYTES;
  const square = transpose4x4(f);
  const columns = f.locals("v128", Math.ceil(classes / VECTOR_FLOATS) * VECTOR_FLOATS);
  const used = columns.slice(0, classes);
  const rowOffsets = f.locals("i32", VECTOR_FLOATS);
  const { label, maximum, sum, chosen, first, loss, present } = f.named("v128", [
    "label",
    "maximum",
    "sum",
    "chosen",
    "first",
    "loss",
    "present",
  ]);
  const { shortfalls, weight, share } = f.named("v128", ["shortfalls", "weight", "share"]);
  const largestLess = (column: V128): V128 => f32x4.sub(maximum, column);
  const offsetOf = (base: I, lane: number): I32 => i32.add(base, i32.mul(rowOffsets[lane]!, rowBytes));
  const isLabel = (c: number): V128 => i32x4.eq(label, math.integer(c));
  return [
    rowOffsets.map((offset, lane) => offset.set(i32.select(i32.ltU(lane, left), lane, i32.sub(left, 1)))),
    label.set(v128.zero),
    rowOffsets.map((offset, lane) =>
      label.set(i32x4.replaceLane(label, lane, i32.load(i32.add(labels, i32.mul(offset, FLOAT_BYTES))))),
    ),
    weights
      ? [
          weight.set(v128.zero),
          rowOffsets.map((offset, lane) =>
            weight.set(
              i32x4.replaceLane(weight, lane, i32.load(i32.add(weights, i32.mul(offset, FLOAT_BYTES)))),
            ),
          ),
          increase(weights, VECTOR_BYTES),
        ]
      : [],
    vectorsOf(classes).map(({ offset }, block) => [
      square.rows.map((row, lane) => row.set(v128.load(offsetOf(logits, lane), offset))),
      square.interleave,
      square.columns.map((column, i) => columns[4 * block + i]!.set(column)),
    ]),
    maximum.set(used.slice(1).reduce((most: V128, column) => f32x4.pmax(most, column), used[0]!)),
    sums === undefined
      ? []
      : [
          first.set(math.integer(classes)),
          chosen.set(v128.zero),
          used.toReversed().map((column, i) => {
            const c = classes - 1 - i;
            return [
              first.set(v128.bitselect(math.integer(c), first, f32x4.eq(column, maximum))),
              chosen.set(v128.or(chosen, v128.and(column, isLabel(c)))),
            ];
          }),
          smoothing === 0
            ? []
            : shortfalls.set(
                used
                  .slice(1)
                  .reduce(
                    (total: V128, column) => f32x4.add(total, largestLess(column)),
                    largestLess(used[0]!),
                  ),
              ),
        ],
    used.map((column) => math.exp(column, f32x4.sub(column, maximum))),
    sum.set(used.slice(1).reduce((total: V128, column) => f32x4.add(total, column), used[0]!)),
    sums === undefined
      ? []
      : [
          math.log(loss, sum),
          loss.set(
            f32x4.add(
              loss,
              smoothing === 0
                ? largestLess(chosen)
                : f32x4.add(
                    f32x4.mul(math.constant(1 - smoothing), largestLess(chosen)),
                    f32x4.mul(math.constant(smoothing / classes), shortfalls),
                  ),
            ),
          ),
          weights ? loss.set(f32x4.mul(loss, weight)) : [],
          // No class has this label: the loss must not look like one.
          loss.set(v128.bitselect(loss, math.constant(NaN), i32x4.ltU(label, math.integer(classes)))),
          present.set(i32x4.ltU(i32x4.const([0, 1, 2, 3]), i32x4.splat(left))),
          loss.set(v128.and(loss, present)),
          sumLanes(loss),
          sums.total.set(f64.add(sums.total, f64.promoteF32(f32x4.extractLane(loss, 0)))),
          present.set(v128.and(present, i32x4.eq(first, label))),
          increase(sums.hits, i32.popcnt(i32x4.bitmask(present))),
        ],
    scale === undefined
      ? []
      : [
          share.set(weights ? f32x4.mul(scale, weight) : scale),
          used.map((column) => {
            const probability = f32x4.mul(f32x4.div(column, sum), share);
            return column.set(lessEverywhere(math, probability, share, smoothing / classes));
          }),
          share.set(ofLabel(math, share, smoothing)),
          used.map((column, c) => column.set(f32x4.sub(column, v128.and(share, isLabel(c))))),
          vectorsOf(classes).map(({ offset, lanes }, block) => [
            square.rows.map((row, i) => row.set(columns[4 * block + i]!)),
            square.interleave,
            square.columns.map((row, lane) => [
              maximum.set(row),
              storeRow(offsetOf(target, lane), [{ offset, lanes }], [maximum]),
            ]),
          ]),
          increase(target, VECTOR_FLOATS * rowBytes),
        ],
    increase(logits, VECTOR_FLOATS * rowBytes),
    increase(labels, VECTOR_BYTES),
  ];
}

/** A gradient's element without what the truth of every class takes off. */
function lessEverywhere(math: VectorMath, value: V128, scale: V128, share: number): V128 {
  return share === 0 ? value : f32x4.sub(value, f32x4.mul(scale, math.constant(share)));
}

/** What the truth of the label alone takes off. */
function ofLabel(math: VectorMath, scale: V128, smoothing: number): V128 {
  return smoothing === 0 ? scale : f32x4.mul(scale, math.constant(1 - smoothing));
}

function crossEntropyKernel(op: AnyOp, results: readonly ("loss" | "correct" | "dlogits")[]): WasmKernel {
  const withLoss = results.includes("loss");
  const withGrad = results.includes("dlogits");
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, { inputs, params }: KernelCall<SoftmaxCrossEntropyParams>) {
      const { labelSmoothing: smoothing = 0 } = params;
      const [rows, classes] = inputs[0]!.shape as [number, number];
      const sideBySide = classes <= MAXIMUM_CLASSES_SIDE_BY_SIDE;
      const fours = Math.ceil(GROUP_ELEMENTS / classes / VECTOR_FLOATS);
      const groupRows = fours * VECTOR_FLOATS;
      const groups = Math.ceil(rows / groupRows);
      const rowBytes = classes * FLOAT_BYTES;
      const unweighted = ["logits", "labels", ...(op === softmaxCrossEntropyGrad ? ["dLoss"] : [])];
      const operands = [...unweighted, "weights"].slice(0, inputs.length);
      const names = ["begin", "end", ...operands, ...results, ...(withLoss ? ["shared"] : []), "scratch"];
      const func = module.func(
        `${op.name} ${rows}x${classes} ${inputs.length} ${smoothing}`,
        names,
        (parameters, f) => {
          const p = parameters as Readonly<Record<string, I>>;
          const math = new VectorMath(f);
          const { group, row, last, hits, left } = f.named("i32", ["group", "row", "last", "hits", "left"]);
          const total = f.local("f64");
          const scale = f.local("v128");
          const [logits, labels] = [p["logits"]!, p["labels"]!];
          const target = withGrad ? p["dlogits"]! : p["scratch"]!;
          const context: Rows = {
            ...{ f, math, classes, logits, labels, target, smoothing, weights: p["weights"] },
            ...(withLoss && { sums: { total, hits } }),
            ...(withGrad && { scale }),
          };
          const begin = i32.mul(p["begin"]!, groupRows);
          const main = [
            increase(logits, i32.mul(begin, rowBytes)),
            increase(labels, i32.mul(begin, FLOAT_BYTES)),
            p["weights"] ? increase(p["weights"], i32.mul(begin, FLOAT_BYTES)) : [],
            withGrad ? increase(target, i32.mul(begin, rowBytes)) : [],
            scale.set(p["dLoss"] === undefined ? math.constant(1) : v128.load32Splat(p["dLoss"])),
            forRange(group, p["begin"]!, p["end"]!, 1, [
              total.set(f64.const(0)),
              hits.set(0),
              row.set(i32.mul(group, groupRows)),
              last.set(i32.add(row, groupRows)),
              last.set(i32.select(i32.ltU(last, rows), last, rows)),
              whileLoop(i32.ltU(row, last), [
                left.set(i32.sub(last, row)),
                sideBySide ? fourRows(context, left) : oneRow(context),
                increase(row, sideBySide ? VECTOR_FLOATS : 1),
              ]),
              withLoss ? storeGroup(p["shared"]!, group, total, hits) : [],
            ]),
          ];
          return [math.prologue(), main];
        },
      );
      const sums = { func, extent: groups, grain: 1 };
      return {
        phases: withLoss ? [sums, totalsPhase(module, names, groups)] : [sums],
        sharedBytes: withLoss ? groupsBytes(groups) : 0,
        scratchBytes: withGrad || sideBySide ? 0 : Math.ceil(classes / VECTOR_FLOATS) * VECTOR_BYTES,
      };
    },
  };
}

export const softmaxCrossEntropyKernels: readonly WasmKernel[] = [
  crossEntropyKernel(softmaxCrossEntropy, ["loss", "correct"]),
  crossEntropyKernel(softmaxCrossEntropyGrad, ["dlogits"]),
  crossEntropyKernel(softmaxCrossEntropyWithGrad, ["loss", "correct", "dlogits"]),
];
