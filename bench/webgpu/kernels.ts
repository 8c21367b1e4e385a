// Products and convolutions: each right, then timed by the GPU's clock, beside PyTorch's on CUDA where that runs.

import type { KernelCall } from "../../src/kernels/kernel.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { f32 } from "../../src/kernels/tensor.ts";
import { SltrainError } from "../../src/errors.ts";
import { flopsOf, kernelCases, type Direction, type KernelCase } from "../kernels/cases.ts";
import { measureKernel, thorough } from "../kernels/measure.ts";
import type { Testbed } from "../testbeds/testbed.ts";
import type { GpuBenchPlan } from "./plan.ts";

export interface KernelRow {
  readonly op: string;
  readonly direction: Direction;
  readonly shape: string;
  readonly params: object;
  readonly kernel: string | null;
  readonly correct: boolean;
  readonly medianMs: number | null;
  readonly gflops: number | null;
  /** Of the measured FMA peak. */
  readonly peakFraction: number | null;
  readonly torchGflops: number | null;
  /** Why there are no figures. */
  readonly error: string | null;
}

/** Asks a running PyTorch (peers/torch-steps.py). */
export type AskTorch = (question: object) => Promise<{ readonly medianMs: number }>;

const TORCH_BUDGET_MS = 200;

export function productCases({ products }: GpuBenchPlan): readonly KernelCase[] {
  return products.map((extent) => {
    const inputs = [f32(extent, extent), f32(extent, extent)] as const;
    const params = { transposeA: false, transposeB: false };
    const call: KernelCall = { inputs, outputs: ops.matmul.infer(inputs, params), params };
    return {
      op: ops.matmul,
      call,
      direction: "forward",
      shape: inputs.map(({ shape }) => shape.join("x")).join(" "),
      models: ["square"],
    };
  });
}

/** Of pooled convolutions, those of the whole. */
export function convolutionCases({
  convolutions: { model, batchSize },
}: GpuBenchPlan): readonly KernelCase[] {
  return kernelCases({ batchSize, quick: false, model }).filter(({ op }) => op.name.startsWith("conv2d"));
}

export async function measureKernels(
  testbed: Testbed,
  cases: readonly KernelCase[],
  peakGflops: number,
  askTorch: AskTorch | undefined,
): Promise<readonly KernelRow[]> {
  const rows: KernelRow[] = [];
  for (const kernelCase of cases) rows.push(await measureRow(testbed, kernelCase, peakGflops, askTorch));
  return rows;
}

async function measureRow(
  testbed: Testbed,
  kernelCase: KernelCase,
  peakGflops: number,
  askTorch: AskTorch | undefined,
): Promise<KernelRow> {
  const { op, direction, shape, call } = kernelCase;
  const gflopsAt = (ms: number) => flopsOf(kernelCase) / ms / 1e6;
  const head = { op: op.name, direction, shape, params: call.params };
  const question = askTorch && torchQuestion(kernelCase);
  const torchGflops = question ? gflopsAt((await askTorch(question)).medianMs) : null;
  try {
    const { kernel, correct, medianMs } = await measureKernel(testbed, kernelCase, thorough);
    const gflops = gflopsAt(medianMs);
    const peakFraction = gflops / peakGflops;
    return { ...head, kernel, correct, medianMs, gflops, peakFraction, torchGflops, error: null };
  } catch (error) {
    // The figures of the others are worth having.
    if (!(error instanceof SltrainError)) throw error;
    const none = { kernel: null, correct: false, medianMs: null, gflops: null, peakFraction: null };
    return { ...head, ...none, torchGflops, error: error.message };
  }
}

/** The same in PyTorch; undefined where it is not one op there. */
function torchQuestion({ op, call, direction }: KernelCase): object | undefined {
  const [first, second] = call.inputs.map(({ shape }) => shape);
  const budgetMs = TORCH_BUDGET_MS;
  if (op.name === "matmul") return { do: "matmul", m: first![0], k: first![1], n: second![1], budgetMs };
  const params = call.params as {
    readonly strides?: readonly number[];
    readonly padding?: string;
    readonly inputShape?: readonly number[];
    readonly filterShape?: readonly number[];
  };
  if (params.padding !== "same" || op.name.includes("max-pool")) return undefined;
  const x = params.inputShape ?? first;
  const filter = params.filterShape ?? second;
  return { do: "conv2d", x, filter, strides: params.strides, direction, budgetMs };
}
