// Which column of a table with named columns is the label.

import { SltrainError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";

/** A label column's name; without one it is the last column. */
export const LABEL_NAME = /^(label|target|class)$/i;
/** `y` is a label's name in tables that end or begin with it, and a coordinate's elsewhere. */
const LABEL_AT_AN_END = /^y$/i;

/** The first column whose name says that it is the label; -1 if none does. */
export function announcedLabel(names: readonly string[]): number {
  return names.findIndex((name, column) => {
    const isAtAnEnd = column === 0 || column === names.length - 1;
    return LABEL_NAME.test(name) || (isAtAnEnd && LABEL_AT_AN_END.test(name));
  });
}

/**
 * Of columns with types: the one that is asked for, by name or number; else the one that is announced; else the last one.
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
  const announced = announcedLabel(names);
  return announced >= 0 ? announced : names.length - 1;
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
