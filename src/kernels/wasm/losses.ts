// Kernels of the losses: (predictions, targets) -> (sum of losses, count of right answers), each one f32. A row's or
// pass's losses are added in f32, those sums in f64. They have one outer unit: a sum has one order.

import type { KernelCall } from "../kernel.ts";
import type { AnyOp } from "../op.ts";
import {
  hinge,
  meanSquaredError,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  squaredHinge,
} from "../ops/losses.ts";
import { elementCount } from "../tensor.ts";
import { forRange, increase, when, whileLoop, type FunctionBuilder, type Local } from "./emitter.ts";
import { f32, f32x4, f64, i32, v128, type Body, type F64, type V128 } from "./instructions.ts";
import { singlePhase, type WasmKernel } from "./kernel.ts";
import { FLOAT_BYTES, sweep, VECTOR_BYTES, VECTOR_FLOATS } from "./lanes.ts";
import { keepLanes, sumLanes } from "./rows.ts";
import { rowExponentials, rowMaximum } from "./softmax.ts";
import { VectorMath } from "./vector-math.ts";

function promoted(value: V128): F64 {
  return f64.promoteF32(f32x4.extractLane(value, 0));
}

const softmaxCrossEntropyKernel: WasmKernel = {
  name: "f32-softmax-cross-entropy-wasm",
  op: softmaxCrossEntropy,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const [rows, columns] = inputs[0]!.shape as [number, number];
    const names = ["begin", "end", "logits", "labels", "loss", "correct", "scratch"] as const;
    const func = module.func(`softmax-cross-entropy ${rows}x${columns}`, names, (p, f) => {
      const math = new VectorMath(f);
      const { maximum, sum } = f.named("v128", ["maximum", "sum"]);
      const { row, label, first, hits } = f.named("i32", ["row", "label", "first", "hits"]);
      const total = f.local("f64");
      const largest = f32x4.extractLane(maximum, 0);
      const valueAt = (index: Local<"i32">) => f32.load(i32.add(p.logits, i32.mul(index, FLOAT_BYTES)));
      const body = [
        hits.set(0),
        forRange(row, 0, rows, 1, [
          rowMaximum(f, math, p.logits, columns, maximum),
          rowExponentials(f, math, p.logits, columns, maximum, sum, p.scratch),
          math.log(sum, sum),
          label.set(i32.load(p.labels)),
          when(
            i32.ltU(label, columns),
            [
              // (largest - logit) is exact where it is small: a sure answer's loss keeps its digits.
              total.set(
                f64.add(
                  total,
                  f64.add(promoted(sum), f64.sub(f64.promoteF32(largest), f64.promoteF32(valueAt(label)))),
                ),
              ),
              when(f32.eq(valueAt(label), largest), [
                first.set(0),
                whileLoop(i32.eqz(f32.eq(valueAt(first), largest)), increase(first, 1)),
                increase(hits, i32.eq(first, label)),
              ]),
            ],
            // No class has this label: the loss must not look like one.
            total.set(f64.const(NaN)),
          ),
          increase(p.logits, columns * FLOAT_BYTES),
          increase(p.labels, FLOAT_BYTES),
        ]),
        f32.store(p.loss, f32.demoteF64(total)),
        f32.store(p.correct, f32.convertI32S(hits)),
      ];
      return [math.prologue(), body];
    });
    const scratchBytes = Math.ceil(columns / VECTOR_FLOATS) * VECTOR_BYTES;
    return singlePhase({ func, extent: 1, grain: 1, scratchBytes });
  },
};

interface ElementLoss {
  /** Computes four losses; may name a count (four ones or zeros) besides. */
  readonly loss: Local<"v128">;
  readonly correct?: V128;
  readonly body: Body;
}

/** A loss whose elements are independent. `divisor` divides the sum. */
function elementLossKernel(
  op: AnyOp,
  divisor: (call: KernelCall) => number,
  of: (f: FunctionBuilder, math: VectorMath, prediction: V128, target: V128) => ElementLoss,
): WasmKernel {
  return {
    name: `f32-${op.name}-wasm`,
    op,
    accepts: () => true,
    emit(module, call: KernelCall) {
      const elements = elementCount(call.inputs[0]!);
      const names = ["begin", "end", "predictions", "targets", "loss", "correct", "scratch"] as const;
      const func = module.func(`${op.name} ${call.inputs[0]!.shape.join("x")}`, names, (p, f) => {
        const math = new VectorMath(f);
        const pass = f.local("i32");
        const { losses, hits } = f.named("v128", ["losses", "hits"]);
        const { total, right } = f.named("f64", ["total", "right"]);
        const body = [
          sweep(elements, pass, [p.predictions, p.targets], (vectors) => [
            losses.set(v128.zero),
            hits.set(v128.zero),
            vectors.map(({ offset, lanes }) => {
              const element = of(f, math, v128.load(p.predictions, offset), v128.load(p.targets, offset));
              const { correct } = element;
              return [
                element.body,
                losses.set(f32x4.add(losses, keepLanes(element.loss, lanes, v128.zero))),
                correct === undefined ? [] : hits.set(f32x4.add(hits, keepLanes(correct, lanes, v128.zero))),
              ];
            }),
            sumLanes(losses),
            sumLanes(hits),
            total.set(f64.add(total, promoted(losses))),
            right.set(f64.add(right, promoted(hits))),
          ]),
          f32.store(p.loss, f32.demoteF64(f64.div(total, f64.const(divisor(call))))),
          f32.store(p.correct, f32.demoteF64(right)),
        ];
        return [math.prologue(), body];
      });
      return singlePhase({ func, extent: 1, grain: 1 });
    },
  };
}

/** -t log(sigmoid(z)) - (1 - t) log(1 - sigmoid(z)), written without overflow: max(z, 0) - z t + ln(1 + e^-|z|) */
const sigmoidCrossEntropyKernel = elementLossKernel(
  sigmoidCrossEntropy,
  () => 1,
  (f, math, prediction, target) => {
    const { z, t, loss, rest } = f.named("v128", ["z", "t", "loss", "rest"]);
    return {
      loss,
      correct: sameSide(math, z, t),
      body: [
        z.set(prediction),
        t.set(target),
        math.exp(rest, f32x4.neg(f32x4.abs(z))),
        math.log1p(rest, rest),
        loss.set(f32x4.sub(f32x4.pmax(z, math.constant(0)), f32x4.mul(z, t))),
        loss.set(f32x4.add(loss, rest)),
      ],
    };
  },
);

const meanSquaredErrorKernel = elementLossKernel(
  meanSquaredError,
  ({ inputs }) => inputs[0]!.shape[1]!,
  (f, _, prediction, target) => {
    const loss = f.local("v128");
    return {
      loss,
      body: [loss.set(f32x4.sub(prediction, target)), loss.set(f32x4.mul(loss, loss))],
    };
  },
);

/** 1 - s score with s = 2 target - 1, or 0 if that is less. */
export function margin(math: VectorMath, score: V128, sign: V128): V128 {
  return f32x4.pmax(f32x4.sub(math.constant(1), f32x4.mul(sign, score)), math.constant(0));
}

/** 2 target - 1 */
export function signOf(math: VectorMath, target: V128): V128 {
  return f32x4.sub(f32x4.add(target, target), math.constant(1));
}

function marginLossKernel(op: AnyOp, lossOf: (margin: Local<"v128">) => V128): WasmKernel {
  return elementLossKernel(
    op,
    () => 1,
    (f, math, score, target) => {
      const { z, t, loss } = f.named("v128", ["z", "t", "loss"]);
      return {
        loss,
        correct: sameSide(math, z, t),
        body: [
          z.set(score),
          t.set(target),
          loss.set(margin(math, z, signOf(math, t))),
          loss.set(lossOf(loss)),
        ],
      };
    },
  );
}

/** One where score > 0 and target > 0.5, or neither; else zero. */
function sameSide(math: VectorMath, score: V128, target: V128): V128 {
  const positive = f32x4.gt(score, math.constant(0));
  const wanted = f32x4.gt(target, math.constant(0.5));
  return v128.andNot(math.constant(1), v128.xor(positive, wanted));
}

export const lossKernels: readonly WasmKernel[] = [
  softmaxCrossEntropyKernel,
  sigmoidCrossEntropyKernel,
  meanSquaredErrorKernel,
  marginLossKernel(hinge, (loss) => loss),
  marginLossKernel(squaredHinge, (loss) => f32x4.mul(loss, loss)),
];
