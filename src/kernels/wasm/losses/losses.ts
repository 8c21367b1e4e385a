// Kernels of the losses whose elements are independent: (predictions, targets) -> (sum of losses, count of right
// answers), each one f32. Units are groups of elements; a pass's losses are added in f32, those sums in f64.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import { hinge, meanSquaredError, sigmoidCrossEntropy, squaredHinge } from "../../ops/losses.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, increase, type FunctionBuilder, type Local } from "../../../wasm/emitter.ts";
import { f32x4, f64, i32, i32x4, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { sweepSlice } from "../../../wasm/lanes.ts";
import { groupsBytes, storeGroup, totalsPhase } from "./loss-groups.ts";
import { keepLanes, sumLanes } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

const GROUP_ELEMENTS = 4096;
/** Where there are any. */
const WEIGHTS = ["weights"] as const;

type FixedName = "begin" | "end" | "predictions" | "targets" | "loss" | "correct" | "shared" | "scratch";

interface ElementLoss {
  /** Computes four losses; may name a mask of the right answers besides. */
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
      const groups = Math.ceil(elements / GROUP_ELEMENTS);
      const names = [
        "begin",
        "end",
        "predictions",
        "targets",
        ...WEIGHTS.slice(0, call.inputs.length - 2),
        "loss",
        "correct",
        "shared",
        "scratch",
      ] as const;
      const func = module.func(`${op.name} ${elements} ${call.inputs.length}`, names, (parameters, f) => {
        const p = parameters as Record<FixedName, Local<"i32">> & { readonly weights?: Local<"i32"> };
        const math = new VectorMath(f);
        const { group, count, remaining } = f.named("i32", ["group", "count", "remaining"]);
        const { begin, end, prediction, target } = f.named("i32", ["begin", "end", "prediction", "target"]);
        const weight = p.weights && f.local("i32");
        const losses = f.local("v128");
        const total = f.local("f64");
        const main = forRange(group, p.begin, p.end, 1, [
          begin.set(i32.mul(group, GROUP_ELEMENTS)),
          end.set(i32.add(begin, GROUP_ELEMENTS)),
          end.set(i32.select(i32.ltU(end, elements), end, elements)),
          prediction.set(p.predictions),
          target.set(p.targets),
          p.weights ? (weight?.set(p.weights) ?? []) : [],
          total.set(f64.const(0)),
          count.set(0),
          sweepSlice(
            elements,
            { begin, end },
            remaining,
            [prediction, target, ...(weight ? [weight] : [])],
            (vectors) => [
              losses.set(v128.zero),
              vectors.map(({ offset, lanes }) => {
                const element = of(f, math, v128.load(prediction, offset), v128.load(target, offset));
                const { correct } = element;
                const loss = weight ? f32x4.mul(element.loss, v128.load(weight, offset)) : element.loss;
                return [
                  element.body,
                  losses.set(f32x4.add(losses, keepLanes(loss, lanes, v128.zero))),
                  correct === undefined
                    ? []
                    : increase(count, i32.popcnt(i32x4.bitmask(keepLanes(correct, lanes, v128.zero)))),
                ];
              }),
              sumLanes(losses),
              total.set(f64.add(total, f64.promoteF32(f32x4.extractLane(losses, 0)))),
            ],
          ),
          storeGroup(p.shared, group, total, count),
        ]);
        return [math.prologue(), main];
      });
      return {
        phases: [{ func, extent: groups, grain: 1 }, totalsPhase(module, names, groups, divisor(call))],
        sharedBytes: groupsBytes(groups),
        scratchBytes: 0,
      };
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

/** A mask: score > 0 and target > 0.5, or neither. */
function sameSide(math: VectorMath, score: V128, target: V128): V128 {
  const positive = f32x4.gt(score, math.constant(0));
  const wanted = f32x4.gt(target, math.constant(0.5));
  return i32x4.eq(positive, wanted);
}

export const lossKernels: readonly WasmKernel[] = [
  sigmoidCrossEntropyKernel,
  meanSquaredErrorKernel,
  marginLossKernel(hinge, (loss) => loss),
  marginLossKernel(squaredHinge, (loss) => f32x4.mul(loss, loss)),
];
