// The kernel of top-k-chunk-encode: it adds the residual, selects, and compacts.

import type { KernelCall } from "../../kernel.ts";
import { topKChunkEncode, type TopKParams } from "../../ops/chunk-codecs.ts";
import { elementCount } from "../../tensor.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { compactPasses } from "./top-k-compact.ts";
import { histogramElements, selectPasses } from "./top-k-select.ts";
import { divide } from "./top-k-stretches.ts";

export const topKChunkKernel: WebGpuKernel = {
  name: "top-k-chunk-encode-webgpu",
  op: topKChunkEncode,
  accepts: () => true,
  build({ inputs, params }: KernelCall) {
    const division = divide(elementCount(inputs[0]!), (params as TopKParams).kept);
    return {
      passes: [...selectPasses(division), ...compactPasses(division)],
      scratch: {
        histograms: histogramElements(division),
        chosen: 2,
        counts: 2 * division.stretches,
      },
    };
  },
};
