// What a run of bench/webgpu/run.ts finds, and how far that is from what is wanted of a GPU.

import type { GpuPeak } from "../kernels/roofline.ts";
import type { Machine, Provenance } from "../machine.ts";
import type { LackingModel, StepsRow } from "../steps/bench-steps.ts";
import type { TorchFacts } from "../steps/peer-steps.ts";
import type { HostTime } from "./host-time.ts";
import type { KernelRow } from "./kernels.ts";
import type { MatrixPeak } from "./matrix-peak.ts";
import type { MemoryGrowth } from "./memory-growth.ts";
import type { GpuBenchPlan } from "./plan.ts";
import type { ProcessStarts } from "./process-starts.ts";

export interface GpuReport extends Provenance {
  readonly machine: Machine;
  readonly plan: GpuBenchPlan;
  peak?: GpuPeak;
  torch?: TorchFacts;
  products?: readonly KernelRow[];
  convolutions?: readonly KernelRow[];
  /** With operands rounded to f16, by subgroup matrices where the adapter has them; `peakFraction` is of f32's peak. */
  halfProducts?: readonly KernelRow[];
  /** Likewise, by tiles. */
  halfConvolutions?: readonly KernelRow[];
  /** Empty where the adapter has no subgroup matrices. */
  matrixPeaks?: readonly MatrixPeak[];
  steps?: { readonly rows: readonly StepsRow[]; readonly lacking: readonly LackingModel[] };
  /** On the adapter, and on Dawn's null backend, which executes nothing: there no driver counts. */
  hostTime?: { readonly adapter: HostTime; readonly nullBackend: HostTime };
  processStarts?: ProcessStarts;
  memory?: MemoryGrowth;
  /** Sections that ended with an error. */
  readonly failures: { readonly section: string; readonly message: string }[];
  /** Of each section, its time. */
  readonly seconds: Record<string, number>;
}

export interface Goal {
  readonly what: string;
  readonly want: string;
  /** null where it was not measured. */
  readonly got: number | null;
  readonly met: boolean | null;
}

/** Of the peak: shares that an f32 kernel without tensor cores should reach. */
const PRODUCT_GOALS: Readonly<Record<string, number>> = { "4096x4096": 0.6, "1024x1024": 0.35 };
const CONVOLUTION_GOAL = 0.4;
/** Of a product of 4096 cubed in f16, where there are subgroup matrices. */
const HALF_GOAL_TFLOPS = 200;
/** Times PyTorch's eager f32 speed, TF32 off. */
const TORCH_GOALS: Readonly<Record<string, number>> = { lenet5: 1, mlp: 1, resnet20: 1, resnet34: 0.7 };
const TFJS_GOAL = 2;
const SUBMIT_GOAL_MS = 0.2;

/** Nothing is judged by a software adapter's speed. */
export function goalsOf(report: GpuReport): readonly Goal[] {
  const isSoftware = report.machine.adapter?.isSoftware === true;
  const atLeast = (what: string, want: number, got: number | null): Goal => ({
    what,
    want: `>= ${want}`,
    got,
    met: isSoftware || got === null ? null : got >= want,
  });
  const products = (report.products ?? []).flatMap(({ shape, peakFraction }) => {
    const want = PRODUCT_GOALS[shape.split(" ")[0]!];
    return want === undefined ? [] : [atLeast(`matmul ${shape}, of the FMA peak`, want, peakFraction)];
  });
  const convolutions = (report.convolutions ?? [])
    .filter(({ shape, params }) => shape.includes("3x3x") || JSON.stringify(params).includes("[3,3,"))
    .map(({ op, shape, peakFraction }) =>
      atLeast(`${op} ${shape}, of the FMA peak`, CONVOLUTION_GOAL, peakFraction),
    );
  const halves = (report.halfProducts ?? [])
    .filter(({ shape }) => shape.startsWith("4096x4096"))
    .map(({ shape, gflops }) =>
      atLeast(`matmul ${shape} in f16, TFLOP/s`, HALF_GOAL_TFLOPS, gflops === null ? null : gflops / 1000),
    );
  const steps = (report.steps?.rows ?? []).flatMap(({ model, vsTorch, vsTfjs }) => [
    atLeast(`${model}, times PyTorch's speed`, TORCH_GOALS[model] ?? 1, vsTorch),
    atLeast(`${model}, times tf.js's speed`, TFJS_GOAL, vsTfjs),
  ]);
  const host = Object.entries(report.hostTime ?? {}).map(
    ([where, { submitMs }]: [string, HostTime]): Goal => ({
      what: `encode and submit a step of LeNet-5 on ${where === "adapter" ? "the adapter" : "the null backend"}, ms`,
      want: `< ${SUBMIT_GOAL_MS}`,
      got: submitMs,
      met: isSoftware ? null : submitMs < SUBMIT_GOAL_MS,
    }),
  );
  const starts = report.processStarts;
  const clean: readonly Goal[] = starts
    ? [
        {
          what: "process starts that ended cleanly",
          want: `${starts.starts}`,
          got: starts.clean,
          met: starts.clean === starts.starts,
        },
      ]
    : [];
  return [...products, ...convolutions, ...halves, ...steps, ...host, ...clean];
}
