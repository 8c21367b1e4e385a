// Columns of matrices joined and cut apart: an invocation for each element of the result, or four where all widths allow.

import type { KernelCall } from "../../kernel.ts";
import { concat, rowsOf, slice, type SliceParams } from "../../ops/concat.ts";
import { elementType, type Width } from "../emit/elements.ts";
import { flatPass } from "../emit/flat.ts";
import type { Binding, WebGpuKernel, WebGpuPass } from "../kernel.ts";

/** Of a pass: adapters bind eight buffers at least, and one is the result. */
const MOST_INPUTS = 7;

function widthOf(columns: readonly number[]): Width {
  return columns.every((count) => count % 4 === 0) ? 4 : 1;
}

interface Part {
  readonly input: number;
  /** Units of its columns in the result. */
  readonly begin: number;
  readonly end: number;
}

/** Copies parts that lie side by side into rows of `units`. */
function joinPass(parts: readonly Part[], rows: number, units: number, width: Width): WebGpuPass {
  const [first, last] = [parts[0]!.begin, parts.at(-1)!.end];
  const type = elementType(width);
  const copies = parts.map(
    ({ input, begin, end }) =>
      `if (c < ${end}u) { $y[at] = $x${input}[row * ${end - begin}u + c - ${begin}u]; }`,
  );
  return flatPass({
    count: rows * (last - first),
    bindings: {
      ...Object.fromEntries(
        parts.map(({ input }): [string, Binding] => [`x${input}`, { of: { input }, type }]),
      ),
      y: { of: { output: 0 }, type },
    },
    body: `let row = i / ${last - first}u;
  let c = ${first}u + i % ${last - first}u;
  let at = row * ${units}u + c;
  ${copies.join(" else ")}`,
  });
}

const concatKernel: WebGpuKernel = {
  name: "f32-concat-webgpu",
  op: concat,
  accepts: () => true,
  build({ inputs, outputs }: KernelCall) {
    const columns = inputs.map(({ shape }) => shape.at(-1)!);
    const width = widthOf(columns);
    const parts: Part[] = [];
    for (const [input, count] of columns.entries()) {
      const begin = parts.at(-1)?.end ?? 0;
      parts.push({ input, begin, end: begin + count / width });
    }
    const groups = Array.from({ length: Math.ceil(parts.length / MOST_INPUTS) }, (_, group) =>
      parts.slice(group * MOST_INPUTS, (group + 1) * MOST_INPUTS),
    );
    const [rows, units] = [rowsOf(outputs[0]!), parts.at(-1)!.end];
    return { passes: groups.map((group) => joinPass(group, rows, units, width)) };
  },
};

const sliceKernel: WebGpuKernel = {
  name: "f32-slice-webgpu",
  op: slice,
  accepts: () => true,
  build({ inputs, outputs, params }: KernelCall) {
    const { begin, end } = params as SliceParams;
    const columns = inputs[0]!.shape.at(-1)!;
    const width = widthOf([columns, begin, end]);
    const type = elementType(width);
    const units = (end - begin) / width;
    return {
      passes: [
        flatPass({
          count: rowsOf(outputs[0]!) * units,
          bindings: { x: { of: { input: 0 }, type }, y: { of: { output: 0 }, type } },
          body: `$y[i] = $x[i / ${units}u * ${columns / width}u + ${begin / width}u + i % ${units}u];`,
        }),
      ],
    };
  },
};

export const concatKernels: readonly WebGpuKernel[] = [concatKernel, sliceKernel];
