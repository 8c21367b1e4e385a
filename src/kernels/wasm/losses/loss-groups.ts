// Losses in two phases: groups of rows or elements each leave the sum of their losses and the count of their right
// answers in `shared`, then these are added in double precision, in order. The groups follow from the shape alone.

import { forRange, increase, type Local, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32, f64, i32, type Body, type F64 } from "../../../wasm/instructions.ts";
import type { Phase } from "../kernel.ts";

/** Of a group in `shared`: an f64, then an i32. */
const GROUP_BYTES = 16;
const COUNT_OFFSET = 8;

export function groupsBytes(groups: number): number {
  return groups * GROUP_BYTES;
}

/** Leaves what a group sums up to. */
export function storeGroup(shared: Local<"i32">, group: Local<"i32">, total: F64, count: Local<"i32">): Body {
  const at = i32.add(shared, i32.mul(group, GROUP_BYTES));
  return [f64.store(at, total), i32.store(at, count, COUNT_OFFSET)];
}

/** The last phase: loss = the sum of all groups' over `divisor`, correct = their count. `names` are the phases' parameters. */
export function totalsPhase(
  module: ModuleBuilder,
  names: readonly string[],
  groups: number,
  divisor = 1,
): Phase {
  const key = `loss totals ${names.join(" ")} ${groups} ${divisor}`;
  const func = module.func(key, names, (parameters, f) => {
    const p = parameters as Readonly<Record<"loss" | "correct" | "shared", Local<"i32">>>;
    const { group, count } = f.named("i32", ["group", "count"]);
    const total = f.local("f64");
    return [
      forRange(group, 0, groups, 1, [
        total.set(f64.add(total, f64.load(p.shared))),
        count.set(i32.add(count, i32.load(p.shared, COUNT_OFFSET))),
        increase(p.shared, GROUP_BYTES),
      ]),
      f32.store(p.loss, f32.demoteF64(f64.div(total, f64.const(divisor)))),
      f32.store(p.correct, f32.convertI32S(count)),
    ];
  });
  return { func, extent: 1, grain: 1 };
}
