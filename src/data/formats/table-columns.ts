// Which column of a table with typed, named columns is the label: the rules of csv-layout.ts.

import { SltrainError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";

const LABEL_NAME = /^(label|target|class)$/i;
const LABEL_AT_AN_END = /^y$/i;

/**
 * The column that is asked for, by name or number; else one that is called label, target or class; else a `y` at an end;
 * else the last one.
 * @throws SltrainError "data-columns" naming `where`
 */
export function labelColumnOf(
  names: readonly string[],
  labelColumn: string | undefined,
  where: string,
): number {
  if (names.length < 2) {
    throw columnsError(where, "features and a label, at least 2 columns", names.join(", ") || "none");
  }
  if (labelColumn !== undefined) {
    const named = names.indexOf(labelColumn);
    if (named >= 0) return named;
    const column = Number(labelColumn);
    if (/^\d+$/.test(labelColumn) && column < names.length) return column;
    const near = nearestName(labelColumn, names);
    throw columnsError(
      where,
      `a label column among ${names.join(", ")}`,
      `"${labelColumn}"`,
      near === undefined ? [] : [`Did you mean --label-column ${near}?`],
    );
  }
  const announced = names.findIndex((name) => LABEL_NAME.test(name));
  if (announced >= 0) return announced;
  return LABEL_AT_AN_END.test(names[0]!) ? 0 : names.length - 1;
}

function columnsError(
  where: string,
  expected: string,
  got: string,
  suggestions: readonly string[] = ["Name the label's column: --label-column NAME"],
): SltrainError {
  return new SltrainError({
    code: "data-columns",
    message: `${where}: expected ${expected}, got ${got}`,
    suggestions,
  });
}
