// Rows of a table by their number, and the gradient of the table: a workgroup for each of its rows seeks the row's number
// among all and adds up what comes with it, in order, so that no two write to one element.

import type { KernelCall } from "../../kernel.ts";
import { embedding, embeddingGrad } from "../../ops/embedding.ts";
import { elementCount } from "../../tensor.ts";
import { elementType } from "../emit/elements.ts";
import { flatPass, spreadWorkgroups } from "../emit/flat.ts";
import { powerOfTwo } from "../emit/reduce.ts";
import { columnWidth } from "../emit/sums.ts";
import type { WebGpuKernel } from "../kernel.ts";

const QUIET_NAN = "0x7fc00000u";
const LEAST_WORKGROUP = 64;
/** Each of a row's workgroups seeks for itself: wide rows have wide ones. */
const MOST_WORKGROUP = 256;
/** Numbers that are looked at before the rows found among them are added. */
const MOST_SOUGHT = 2048;
const WORD_BITS = 32;

const embeddingKernel: WebGpuKernel = {
  name: "f32-embedding-webgpu",
  op: embedding,
  accepts: () => true,
  build({ inputs, outputs }: KernelCall) {
    const [vocabulary, columns] = inputs[1]!.shape as [number, number];
    const width = columnWidth(columns);
    const units = columns / width;
    // As bits: a compiler may drop NaNs of floats.
    const type = width === 4 ? "vec4u" : "u32";
    return {
      passes: [
        flatPass({
          count: elementCount(outputs[0]!) / width,
          bindings: {
            ids: { of: { input: 0 }, type: "u32" },
            table: { of: { input: 1 }, type },
            y: { of: { output: 0 }, type },
          },
          body: `let id = $ids[i / ${units}u];
  let row = $table[min(id, ${vocabulary - 1}u) * ${units}u + i % ${units}u];
  $y[i] = select(${type}(${QUIET_NAN}), row, id < ${vocabulary}u);`,
        }),
      ],
    };
  },
};

const embeddingGradKernel: WebGpuKernel = {
  name: "f32-embedding-grad-webgpu",
  op: embeddingGrad,
  accepts: () => true,
  build({ inputs, outputs }: KernelCall) {
    const ids = elementCount(inputs[0]!);
    const [vocabulary, columns] = outputs[0]!.shape as [number, number];
    const width = columnWidth(columns);
    const units = columns / width;
    const type = elementType(width);
    const workgroup = Math.min(MOST_WORKGROUP, Math.max(LEAST_WORKGROUP, powerOfTwo(units)));
    const tiles = Math.ceil(units / workgroup);
    const workgroups = spreadWorkgroups(vocabulary * tiles);
    const words = Math.ceil(Math.min(ids, MOST_SOUGHT) / WORD_BITS);
    const sought = words * WORD_BITS;
    return {
      passes: [
        {
          wgsl: `// A bit for each of the numbers that were looked at last.
var<workgroup> found: array<atomic<u32>, ${words}>;
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = id.x + id.y * ${workgroups[0]}u;
  if (group >= ${vocabulary * tiles}u) { return; }
  let row = group / ${tiles}u;
  let c = group % ${tiles}u * ${workgroup}u + thread;
  var sum = ${type}();
  for (var first = 0u; first < ${ids}u; first += ${sought}u) {
    for (var word = thread; word < ${words}u; word += ${workgroup}u) { atomicStore(&found[word], 0u); }
    workgroupBarrier();
    for (var k = thread; k < min(${sought}u, ${ids}u - first); k += ${workgroup}u) {
      if ($ids[first + k] == row) { atomicOr(&found[k / ${WORD_BITS}u], 1u << (k % ${WORD_BITS}u)); }
    }
    workgroupBarrier();
    for (var word = 0u; word < ${words}u; word++) {
      var bits = atomicLoad(&found[word]);
      while (bits != 0u) {
        let k = first + word * ${WORD_BITS}u + firstTrailingBit(bits);
        bits &= bits - 1u;
        if (c < ${units}u) { sum += $dy[k * ${units}u + c]; }
      }
    }
    workgroupBarrier();
  }
  if (c < ${units}u) { $dtable[row * ${units}u + c] = sum; }
}`,
          bindings: {
            ids: { of: { input: 0 }, type: "u32" },
            dy: { of: { input: 1 }, type },
            dtable: { of: { output: 0 }, type },
          },
          workgroups,
        },
      ],
    };
  },
};

export const embeddingKernels: readonly WebGpuKernel[] = [embeddingKernel, embeddingGradKernel];
