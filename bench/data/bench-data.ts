// `sltrain bench data`: how fast data are parsed, imported and loaded, beside others who parse the same bytes.

import { describeMachine, describeProvenance, type Machine, type Provenance } from "../machine.ts";
import { benchParse, type ParseRow } from "./parse.ts";
import { benchStore, type StoreRow } from "./store.ts";

export interface DataReport extends Provenance {
  readonly machine: Machine;
  readonly parse: readonly ParseRow[];
  readonly store: readonly StoreRow[];
}

const SIZES = {
  thorough: { sizeBytes: 32e6, rounds: 5 },
  quick: { sizeBytes: 4e6, rounds: 1 },
} as const;

/** @throws SltrainError "bench-wrong" if parsers do not find the same rows */
export async function benchData(options: { readonly quick: boolean }): Promise<DataReport> {
  const { sizeBytes, rounds } = options.quick ? SIZES.quick : SIZES.thorough;
  return {
    ...describeProvenance(),
    machine: describeMachine(),
    parse: await benchParse({ sizeBytes, rounds }),
    store: await benchStore(sizeBytes, rounds),
  };
}
