// Steps that give rows other columns: hashed into 2^k of them, or one for each value of a column.

import { SltrainError } from "../../errors.ts";
import { isSparse } from "../feature-rows.ts";
import { murmur3 } from "../formats/murmur3.ts";
import type { CsrRows } from "../rows.ts";
import { toSparse } from "./sparse.ts";
import { columnName, widthOf, type RowKind, type Step } from "./step.ts";

const MAX_VALUES = 65_536;
/** So many are told apart by their statistics. */
const MAX_COLUMNS = 65_536;

/**
 * Columns are hashed into 2^bits: what falls together adds up (Weinberger et al., ICML 2009, without their signs, so that
 * counts stay counts).
 */
export function hashColumns(bits: number): Step {
  return {
    spec: `hash:${bits}`,
    prepare(before) {
      const columnOf = hashes(widthOf(before), bits);
      return {
        after: { featureShape: [2 ** bits], featureType: "csr" },
        map(features, count) {
          const sparse = toSparse(features, count);
          return regrouped(
            sparse,
            sparse.columns.map((column) => columnOf[column]!),
          );
        },
      };
    },
  };
}

function hashes(width: number, bits: number): Uint32Array {
  const word = new DataView(new ArrayBuffer(4));
  return Uint32Array.from({ length: width }, (_, column) => {
    word.setUint32(0, column, true);
    return murmur3(word, 0, 4, 0) & (2 ** bits - 1);
  });
}

/**
 * A column of whole numbers 0..m becomes m + 1 columns with a one in that of the value; m is that of the training rows, and
 * a value above it gives no one. Other columns stay as they are, in their order.
 * @param chosen names or numbers of columns; all of them if there are none
 */
export function oneHot(chosen: readonly string[]): Step {
  return {
    spec: ["one-hot", ...(chosen.length > 0 ? [chosen.join("+")] : [])].join(":"),
    needs: "moments",
    check(before) {
      const isTable = before.featureType !== "csr" && before.featureShape.length === 1;
      if (isTable && widthOf(before) <= MAX_COLUMNS) return;
      throw refused(
        `one-hot: expected columns of a table, at most ${MAX_COLUMNS}`,
        `${before.featureShape.join("x")} ${before.featureType}`,
      );
    },
    prepare(before, statistics) {
      const width = widthOf(before);
      const columns =
        chosen.length > 0 ? chosen.map((name) => columnNamed(before, name)) : [...Array(width).keys()];
      const { min, max } = statistics.moments!;
      const values = new Uint32Array(width);
      for (const column of columns) {
        refuseRange(before, column, min[column]!, max[column]!);
        values[column] = max[column]! + 1;
      }
      const starts = new Uint32Array(width + 1);
      for (let c = 0; c < width; c++) starts[c + 1] = starts[c]! + Math.max(1, values[c]!);
      return {
        after: {
          featureShape: [starts[width]!],
          featureType: "csr",
          featureNames: namesAfter(before, values),
        },
        map(features, count) {
          if (isSparse(features)) throw new Error("sltrain bug: sparse rows where dense ones were announced");
          const rowStarts = new Uint32Array(count + 1);
          const columnsOut: number[] = [];
          const valuesOut: number[] = [];
          const push = (column: number, value: number): void => {
            columnsOut.push(column);
            valuesOut.push(value);
          };
          for (let i = 0, row = 0; row < count; row++) {
            for (let c = 0; c < width; c++, i++) {
              const value = features[i]!;
              if (values[c]! === 0) {
                if (value !== 0) push(starts[c]!, value);
              } else {
                refuseFraction(before, c, value);
                if (value < values[c]!) push(starts[c]! + value, 1);
              }
            }
            rowStarts[row + 1] = columnsOut.length;
          }
          return { rowStarts, columns: Uint32Array.from(columnsOut), values: Float32Array.from(valuesOut) };
        },
      };
    },
  };
}

function columnNamed(before: RowKind, name: string): number {
  const column = before.featureNames?.indexOf(name) ?? -1;
  if (column >= 0) return column;
  const number = /^\d+$/.test(name) ? Number(name) : NaN;
  if (number < widthOf(before)) return number;
  const known = before.featureNames ? `one of ${before.featureNames.slice(0, 20).join(", ")} or ` : "";
  throw refused(`one-hot: expected a column, ${known}a number below ${widthOf(before)}`, `"${name}"`);
}

function refuseRange(before: RowKind, column: number, min: number, max: number): void {
  if (min >= 0 && max < MAX_VALUES) return;
  const expected = `one-hot: expected whole numbers of 0..${MAX_VALUES - 1} in column ${columnName(before, column)}`;
  throw refused(expected, `${min} to ${max}`);
}

function refuseFraction(before: RowKind, column: number, value: number): void {
  if (Number.isInteger(value) && value >= 0) return;
  throw refused(
    `one-hot: expected whole numbers from 0 in column ${columnName(before, column)}`,
    String(value),
  );
}

function refused(expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "data-transform",
    message: `${expected}, got ${got}`,
    suggestions: ["Name the columns that hold categories by number: --steps one-hot:3+7."],
  });
}

function namesAfter(before: RowKind, values: Uint32Array): readonly string[] | undefined {
  return before.featureNames?.flatMap((name, c) =>
    values[c]! === 0 ? [name] : Array.from({ length: values[c]! }, (_, value) => `${name}=${value}`),
  );
}

/** Rows whose non-zeros have other columns: in rising order again, equal ones added up. */
function regrouped({ rowStarts, values }: CsrRows, columns: Uint32Array): CsrRows {
  const starts = new Uint32Array(rowStarts.length);
  const newColumns = new Uint32Array(columns.length);
  const newValues = new Float32Array(columns.length);
  let at = 0;
  for (let row = 0; row + 1 < rowStarts.length; row++) {
    const begin = rowStarts[row]!;
    const order = Array.from({ length: rowStarts[row + 1]! - begin }, (_, i) => begin + i);
    order.sort((a, b) => columns[a]! - columns[b]! || a - b);
    const rowBegin = at;
    for (const i of order) {
      if (at > rowBegin && newColumns[at - 1] === columns[i]) newValues[at - 1]! += values[i]!;
      else {
        newColumns[at] = columns[i]!;
        newValues[at++] = values[i]!;
      }
    }
    starts[row + 1] = at;
  }
  return { rowStarts: starts, columns: newColumns.slice(0, at), values: newValues.slice(0, at) };
}
