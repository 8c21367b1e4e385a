// The settings that say how a path is read, as what reads it wants them.

import type { PathOptions } from "../data/applicable-options.ts";
import type { TrainConfig, TrainConfigKey } from "./schema.ts";

/** Of `train` settings, and of `data import`, which has the same flags. */
export const readKeys = [
  "dataFormat",
  "labelColumn",
  "labelKind",
  "hashBits",
  "onBadRecord",
  "imageSize",
  "contextLength",
] as const satisfies readonly TrainConfigKey[];

export type ReadSettings = Readonly<Partial<Pick<TrainConfig, (typeof readKeys)[number]>>>;

/** What is not given is not there: then a format's own default holds. */
export function readOptionsOf(settings: ReadSettings): PathOptions {
  const { dataFormat, labelColumn, labelKind, hashBits, onBadRecord, imageSize, contextLength } = settings;
  return {
    ...(dataFormat !== undefined && { format: dataFormat }),
    ...(labelColumn !== undefined && { labelColumn }),
    ...(labelKind !== undefined && { labelKind }),
    ...(hashBits !== undefined && { hashBits }),
    ...(onBadRecord !== undefined && { onBadRecord }),
    ...(contextLength !== undefined && { contextLength }),
    ...(imageSize !== undefined && { imageSize: imageSize.split("x").map(Number) as [number, number] }),
  };
}
