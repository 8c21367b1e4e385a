// Synthetic twins as data sets: `synthetic:higgs` is made, not fetched (src/data/twins/).

import { SltrainError } from "../../errors.ts";
import { applicableOptions, type ReadRequest } from "../applicable-options.ts";
import { DEFAULT_CONTEXT_LENGTH, textFormat } from "../formats/text.ts";
import type { Source } from "../source.ts";
import { playFile } from "../twins/play.ts";
import { openTwin, TEXT_TWIN, twinNames, twinRecipe } from "../twins/index.ts";

/** Raise it when a twin's rows change: what storage has of it is then made anew. */
const TWINS_VERSION = 1;

/** As many as the original has. */
const TEXT_CHARACTERS = 1_115_394;

export interface SyntheticOptions extends ReadRequest {
  /** Makes the rows; what is to be learned from them stays the same. */
  readonly seed: number;
  /** To train on; beside them a tenth as many to validate on, at most as many as the original has. */
  readonly rows?: number | undefined;
}

/** @throws SltrainError "data-unknown", "data-argument" or "data-options" */
export function syntheticSource(name: string | undefined, options: SyntheticOptions): Source {
  const { seed, rows, read = {}, isAsked } = options;
  if (name === undefined || name === "") {
    throw new SltrainError({
      code: "data-argument",
      message: `synthetic: expected the name of a data set behind the colon (${twinNames().join(", ")}), got none`,
      suggestions: ["For example: --data synthetic:higgs --rows 100000"],
    });
  }
  const isText = name === TEXT_TWIN;
  applicableOptions(read, isText ? textFormat.takes : [], `synthetic:${name}`, isAsked);
  if (isText) return textTwin(options);
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

function textTwin({ seed, rows, read }: SyntheticOptions): Source {
  const contextLength = read?.contextLength ?? DEFAULT_CONTEXT_LENGTH;
  // A tenth of the text is for validation; a row begins with the last character of the one before.
  const characters = rows === undefined ? TEXT_CHARACTERS : Math.ceil(((rows * contextLength + 1) * 10) / 9);
  return {
    name: `synthetic:${TEXT_TWIN}`,
    source: `${characters} characters generated from seed ${seed}`,
    inputs: [`play ${TWINS_VERSION}: ${characters} characters of seed ${seed} in rows of ${contextLength}`],
    open: () => textFormat.open(playFile(seed, characters), { onBadRecord: "fail", contextLength }),
  };
}
