// The bits of kernels that V8 may optimise in different ways. As a program it prints their hashes, for the tile of 8
// and of 16 columns, so that a test can compare processes with different flags.

import { createHash } from "node:crypto";
import { ops } from "../../../src/kernels/ops/index.ts";
import { chooseWasmKernel } from "../../../src/kernels/wasm/kernels.ts";
import { allCases, operandsOf } from "../../kernels/wasm/cases.ts";
import { runKernel } from "../../kernels/wasm/run-kernel.ts";

/** All outputs of a spread of cases, one after the other. */
export function productBits(wide: boolean): Uint8Array {
  const outputs = allCases
    .filter((_, i) => i % 16 === 0)
    .flatMap((one) => {
      const kernel = chooseWasmKernel(ops[one.op], one.call, { relaxedSimd: true, wide })!;
      return runKernel(kernel, one.call, operandsOf(one));
    });
  return Buffer.concat(
    outputs.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
}

if (import.meta.main)
  for (const wide of [false, true]) console.log(createHash("sha256").update(productBits(wide)).digest("hex"));
