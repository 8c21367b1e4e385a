// Reference kernel of fill.

import type { ReferenceKernel } from "../kernel.ts";
import { fill, type FillParams } from "../ops/fill.ts";

export const fillReference: ReferenceKernel<FillParams> = {
  op: fill,
  run({ params }, _, [y]) {
    y!.fill(params.value);
  },
};
