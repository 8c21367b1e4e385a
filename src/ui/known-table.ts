// The data sets that can be had by name, with what one wants to know before one has them.

import { KNOWN_DATASETS, type Verification } from "../data/known.ts";
import { drawTable } from "./table.ts";

export interface KnownRow {
  readonly name: string;
  readonly description: string;
  readonly origin: string;
  readonly licence: string;
  readonly verification: Verification;
  /** What may follow a colon after the name; null where nothing may. */
  readonly argument: string | null;
}

export function knownRows(): KnownRow[] {
  return Object.entries(KNOWN_DATASETS).map(
    ([name, { description, origin, licence, verification, argument }]) => ({
      ...{ name, description, origin, licence, verification },
      argument: argument ?? null,
    }),
  );
}

export function knownTable(rows: readonly KnownRow[]): string {
  const columns = [
    { header: "name", whole: true },
    { header: "rows" },
    { header: "origin" },
    { header: "licence" },
    { header: "checked by", whole: true },
    { header: "after a colon" },
  ];
  return drawTable(
    columns,
    rows.map(({ name, description, origin, licence, verification, argument }) => [
      name,
      description,
      origin,
      licence,
      verification ?? "-",
      argument ?? "",
    ]),
  );
}
