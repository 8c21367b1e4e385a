// What products compute with on a GPU, and what that needs of an adapter.

import { SltrainError } from "../../errors.ts";

/** What products round their operands to; they add in f32 with either. */
export type ProductPrecision = "f32" | "f16";

/** Dawn's, by which an adapter shows subgroup matrices, and f16 on NVIDIA's older drivers: both are experiments of Dawn's. */
export const HALF_PRECISION_TOGGLES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"] as const;

const HALF_PRECISION_FEATURE = "shader-f16";

/** Throws SltrainError "feature-missing" if the adapter of that name can't compute with f16. */
export function refuseWithoutHalfPrecision(name: string, features: Iterable<string>): void {
  if ([...features].includes(HALF_PRECISION_FEATURE)) return;
  throw new SltrainError({
    code: "feature-missing",
    message: `--precision f16: expected an adapter with the feature ${HALF_PRECISION_FEATURE}, got ${name}, which lacks it`,
    suggestions: [
      "`sltrain devices` lists each adapter's features; a newer driver may have it.",
      "Or leave out --precision f16.",
    ],
  });
}
