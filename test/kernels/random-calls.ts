// Valid calls of every op, drawn at random: for each op, from which ranges its extents and params come. An op that is
// missing here is a compile error.

import { RandomStream } from "../../src/random.ts";
import type { OpName } from "../../src/kernels/ops/index.ts";
import { caseOf, type Case } from "./cases.ts";
import { Draw, type Draft } from "./random-calls/draw.ts";
import { products } from "./random-calls/products.ts";
import { codecs, elements, losses, normalisations, updates } from "./random-calls/vectors.ts";
import { convolutions, pools } from "./random-calls/windows.ts";

/** Ops that run a kernel. */
export type ComputingOp = Exclude<OpName, "reshape">;

/** By family, each of which has a test file. */
export const randomCalls = {
  products,
  convolutions,
  pools,
  normalisations,
  elements,
  losses,
  updates,
  codecs,
};
export type Family = keyof typeof randomCalls;

type Drafts = { readonly [N in ComputingOp]: (draw: Draw) => Draft<N> };

const drafts: Drafts = {
  ...{ ...products, ...convolutions, ...pools, ...normalisations },
  ...{ ...elements, ...losses, ...updates, ...codecs },
};

/** A function of op and number alone. */
export function randomCase(op: ComputingOp, number: number): Case {
  const draft: (draw: Draw) => Draft<OpName> = drafts[op];
  const { inputs, params } = draft(new Draw(new RandomStream(number, `call of ${op}`)));
  return caseOf<OpName>(op, inputs, params);
}
