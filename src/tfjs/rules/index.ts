// The list of tf.js's kernels that sltrain adds or replaces. Registration and tests read it.

import type { AnyKernelRule } from "../kernel-rule.ts";
import { convolutionRules } from "./convolutions.ts";
import { poolRules } from "./pools.ts";
import { productRules } from "./products.ts";
import { sumRules } from "./sums.ts";

export const kernelRules: readonly AnyKernelRule[] = [
  ...convolutionRules,
  ...poolRules,
  ...productRules,
  ...sumRules,
];
