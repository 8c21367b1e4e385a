// How far ranks may be apart, by what users write: `bsp` in lockstep (Valiant 1990), `ssp` by a bounded number of steps
// (Ho et al. 2013, section 3), `asp` by any (SIREN: Wang et al. 2019, which loses updates; here none is lost).

import { SltrainError } from "../errors.ts";

export interface Sync {
  /**
   * Steps by which a rank may be ahead of the slowest; undefined for lockstep, Infinity for any. A rank at step t has
   * all updates of the steps before t - staleness.
   */
  readonly staleness: number | undefined;
}

const DEFAULT_STALENESS = 3;
const MAX_STALENESS = 1_000_000;

export const syncNames: readonly string[] = ["bsp", `ssp:${DEFAULT_STALENESS}`, "asp"];

/** `bsp`, `ssp`, `ssp:5` or `asp`. Throws SltrainError "sync-invalid". */
export function parseSync(spec: string): Sync {
  const [, name, steps] = /^(bsp|ssp|asp)(?::(\d+))?$/.exec(spec) ?? [];
  const staleness = Number(steps ?? DEFAULT_STALENESS);
  if (name === "ssp" && staleness <= MAX_STALENESS) return { staleness };
  if (name === "bsp" && steps === undefined) return { staleness: undefined };
  if (name === "asp" && steps === undefined) return { staleness: Infinity };
  throw new SltrainError({
    code: "sync-invalid",
    message: `sync: expected one of bsp, ssp[:STEPS], asp, but got ${JSON.stringify(spec)}`,
    suggestions: [`The steps of ssp are how far a worker may be ahead: from 0 to ${MAX_STALENESS}.`],
  });
}
