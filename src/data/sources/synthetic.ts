// Synthetic twins as data sets: `synthetic:higgs` is made, not fetched (src/data/twins/).

import { SltrainError } from "../../errors.ts";
import type { Source } from "../source.ts";
import { openTwin, TWINS, twinRecipe } from "../twins/index.ts";

/** Raise it when a twin's rows change: what storage has of it is then made anew. */
const TWINS_VERSION = 1;

export interface SyntheticOptions {
  /** Makes the rows; what is to be learned from them stays the same. */
  readonly seed: number;
  /** To train on; beside them a tenth as many to validate on, at most as many as the original has. */
  readonly rows?: number | undefined;
}

/** @throws SltrainError "data-unknown" or "data-argument" */
export function syntheticSource(name: string | undefined, { seed, rows }: SyntheticOptions): Source {
  if (name === undefined || name === "") {
    throw new SltrainError({
      code: "data-argument",
      message: `synthetic: expected the name of a data set behind the colon (${Object.keys(TWINS).join(", ")}), got none`,
      suggestions: ["For example: --data synthetic:higgs --rows 100000"],
    });
  }
  const recipe = twinRecipe(name);
  const trainRows = rows ?? recipe.trainRows;
  const validationRows =
    rows === undefined ? recipe.validationRows : Math.min(recipe.validationRows, Math.ceil(rows / 10));
  return {
    name: `synthetic:${name}`,
    source: `${trainRows} rows generated from seed ${seed}`,
    inputs: [`twin ${TWINS_VERSION} ${name}: ${trainRows} and ${validationRows} rows of seed ${seed}`],
    open: () => ({
      train: openTwin(name, { seed, split: "train", rows: trainRows }),
      validation: openTwin(name, { seed, split: "validation", rows: validationRows }),
    }),
  };
}
