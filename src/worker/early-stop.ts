// Why a run ends at an epoch's end although others would follow: a function of what all ranks know, so that all end there.

import type { TrainConfig } from "../config/schema.ts";
import { worthOf } from "../run/best-epoch.ts";
import type { StopReason } from "../run/records.ts";
import type { Cursor } from "./cursor.ts";

export type EarlyEnd = Extract<StopReason, "target-reached" | "converged" | "no-improvement">;

/** What an epoch's validation told; null where it told nothing. */
export interface Validated {
  readonly accuracy: number | null;
  readonly validationLoss: number | null;
}

type Targets = Pick<TrainConfig, "targetAccuracy" | "targetLoss" | "patience">;

export function earlyEnd(
  { targetAccuracy, targetLoss, patience }: Targets,
  { accuracy, validationLoss, bestEpoch, validatedEpoch, converged }: Cursor,
): EarlyEnd | undefined {
  if (targetAccuracy !== undefined && accuracy !== null && accuracy >= targetAccuracy)
    return "target-reached";
  if (targetLoss !== undefined && validationLoss !== null && validationLoss <= targetLoss)
    return "target-reached";
  if (converged) return "converged";
  if (patience !== undefined && bestEpoch !== null && validatedEpoch - bestEpoch.epoch >= patience)
    return "no-improvement";
  return undefined;
}

/** Takes note of the epoch (from 1) where it was validated. */
export function noteValidation(
  cursor: Cursor,
  { epoch, ...validated }: Validated & { readonly epoch: number },
  bestBy: TrainConfig["bestBy"],
): void {
  const worth = worthOf(validated, bestBy);
  if (worth === undefined) return;
  cursor.accuracy = validated.accuracy;
  cursor.validationLoss = validated.validationLoss;
  cursor.validatedEpoch = epoch;
  if (cursor.bestEpoch === null || worth > cursor.bestEpoch.worth) cursor.bestEpoch = { epoch, worth };
}

/** Whether the epoch (from 1) is validated: each `evalEvery`-th, and the run's last. */
export function isValidated(
  epoch: number,
  { evalEvery, epochs }: Pick<TrainConfig, "evalEvery" | "epochs">,
): boolean {
  return epoch % evalEvery === 0 || epoch === epochs;
}
