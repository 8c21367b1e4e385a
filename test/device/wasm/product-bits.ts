// The bits of kernels that V8 may optimise in different ways. As a program it prints their hashes, for the tile of 8
// and of 16 columns, so that a test can compare processes with different flags.

import { createHash } from "node:crypto";
import { ops, type OpName } from "../../../src/kernels/ops/index.ts";
import { wasmKernels } from "../../../src/kernels/wasm/kernels.ts";
import { allCases, operandsOf } from "../../kernels/cases.ts";
import { runKernel } from "../../kernels/wasm/run-kernel.ts";

/** Each kind of code once: tiles, sums, elementary functions, optimiser steps. */
const OPS: readonly OpName[] = [
  "dense",
  "matmul",
  "conv2d",
  "conv2d-input-grad",
  "conv2d-filter-grad",
  "column-sum",
  "tanh",
  "adam-update",
];

/** The outputs of one case of each, by every kernel that accepts it, one after the other. */
export function productBits(wide: boolean): Uint8Array {
  const outputs = OPS.flatMap((op) => {
    const cases = allCases.filter((one) => one.op === op);
    const one = cases[Math.floor(cases.length / 2)]!;
    return wasmKernels
      .filter((kernel) => kernel.op === ops[op] && kernel.accepts(one.call, { relaxedSimd: true, wide }))
      .flatMap((kernel) => runKernel(kernel, one.call, operandsOf(one)));
  });
  return Buffer.concat(
    outputs.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
}

if (import.meta.main)
  for (const wide of [false, true]) console.log(createHash("sha256").update(productBits(wide)).digest("hex"));
