// Sums that slices of work make apart from each other: the first part is made in the output itself, the others in the
// routine's shared bytes. They are cleared before, and added to the output in order afterwards.

import { increase, repeat, when, whileLoop, type Local, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body } from "../../../wasm/instructions.ts";
import type { Phase } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, SWEEP_FLOATS, vectorsOf, type Vector } from "../../../wasm/lanes.ts";

export interface PartialSums {
  readonly elements: number;
  readonly parts: number;
  /** Parameters of the routine's phases; `output` is one of them, and `shared` if there is more than one part. */
  readonly names: readonly string[];
  readonly output: string;
}

export function sharedBytesOf({ elements, parts }: PartialSums): number {
  return (parts - 1) * elements * FLOAT_BYTES;
}

/** The phase that zeroes all parts. */
export function clearPhase(module: ModuleBuilder, sums: PartialSums): Phase {
  const { elements, parts, names, output } = sums;
  const func = module.func(`clear ${JSON.stringify(sums)}`, names, (p, f) => {
    const { offset, sizeBytes, at, part } = f.named("i32", ["offset", "sizeBytes", "at", "part"]);
    return [
      offset.set(i32.mul(p.begin!, FLOAT_BYTES)),
      sizeBytes.set(i32.sub(i32.mul(p.end!, FLOAT_BYTES), offset)),
      memory.fill(i32.add(p[output]!, offset), 0, sizeBytes),
      parts === 1 ? [] : at.set(i32.add(p.shared!, offset)),
      repeat(part, parts - 1, [memory.fill(at, 0, sizeBytes), increase(at, elements * FLOAT_BYTES)]),
    ];
  });
  return { func, extent: elements, grain: SWEEP_FLOATS };
}

/** The phases that add the other parts to the first; none if there are none. */
export function combinePhases(module: ModuleBuilder, sums: PartialSums): readonly Phase[] {
  const { elements, parts, names, output } = sums;
  if (parts === 1) return [];
  const func = module.func(`combine ${JSON.stringify(sums)}`, names, (p, f) => {
    const { target, source, from, remaining, part } = f.named("i32", [
      "target",
      "source",
      "from",
      "remaining",
      "part",
    ]);
    const values = f.locals("v128", SWEEP_FLOATS / 4);
    const addUp = (vectors: readonly Vector[]): Body => {
      const add = (at: Local<"i32">, value: Local<"v128">, offset: number) =>
        value.set(f32x4.add(value, v128.load(at, offset)));
      return [
        vectors.map(({ offset }, i) => values[i]!.set(v128.load(target, offset))),
        from.set(source),
        repeat(part, parts - 1, [
          vectors.map(({ offset }, i) => add(from, values[i]!, offset)),
          increase(from, elements * FLOAT_BYTES),
        ]),
        storeRow(target, vectors, values),
      ];
    };
    const rest = elements % SWEEP_FLOATS;
    return [
      target.set(i32.add(p[output]!, i32.mul(p.begin!, FLOAT_BYTES))),
      source.set(i32.add(p.shared!, i32.mul(p.begin!, FLOAT_BYTES))),
      remaining.set(i32.sub(p.end!, p.begin!)),
      whileLoop(i32.geU(remaining, SWEEP_FLOATS), [
        addUp(vectorsOf(SWEEP_FLOATS)),
        increase(target, SWEEP_FLOATS * FLOAT_BYTES),
        increase(source, SWEEP_FLOATS * FLOAT_BYTES),
        increase(remaining, -SWEEP_FLOATS),
      ]),
      rest === 0 ? [] : when(remaining, addUp(vectorsOf(rest))),
    ];
  });
  return [{ func, extent: elements, grain: SWEEP_FLOATS }];
}
