// The micro-kernel of direct convolution and its gradients: tiles c[rows x width] of sums over a nest of three loops,
// kept in registers while they run. tile.ts is its simpler sister for matrix products.
//
// Every element is one chain of multiply-adds in the order of the nest, begun at zero; what is accumulated in memory
// is added at the end. So tiles of any shape give equal bits.

import { increase, repeat, whileLoop, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { registerTile, unrollOf, type RegisterTileSpec } from "../products/register-tile.ts";

/** How an operand's address moves along the nest `runs` x `segments` x `length`, and from tile to tile, in bytes. */
export interface NestStrides {
  readonly step: number;
  readonly segment: number;
  readonly run: number;
  readonly tile: number;
}

export interface SlidingTileSpec extends Omit<RegisterTileSpec, "aStep" | "bStep" | "cRow"> {
  readonly length: number;
  readonly segments: number;
  /** One float of a for each row, `width` floats of b. */
  readonly a: NestStrides;
  readonly b: NestStrides;
  readonly c: { readonly row: number; readonly tile: number };
}

/**
 * A function (a, b, c, bias, mask, spill, runs, tiles): six addresses, of which `bias` and `mask` are ignored where
 * there is none, the number of runs (0: the sums are zero), and the number of tiles.
 */
export function emitSlidingTile(module: ModuleBuilder, spec: SlidingTileSpec): FunctionRef {
  const { length, segments, a, b, c } = spec;
  const names = ["a", "b", "c", "bias", "mask", "spill", "runs", "tiles"] as const;
  return module.func(`sliding tile ${JSON.stringify(spec)}`, names, (p, f) => {
    const at = f.named("i32", ["a", "b", "run", "segment", "pass"]);
    const strides = { aStep: a.step, bStep: b.step, cRow: c.row };
    const tile = registerTile(module, f, { ...spec, ...strides }, { ...p, a: at.a, b: at.b });
    const unroll = unrollOf(length);
    const segment = [
      repeat(at.pass, Math.floor(length / unroll), tile.steps(unroll)),
      length % unroll === 0 ? [] : tile.steps(length % unroll),
      increase(at.a, a.segment - length * a.step),
      increase(at.b, b.segment - length * b.step),
    ];
    return whileLoop(p.tiles, [
      tile.clear,
      at.a.set(p.a),
      at.b.set(p.b),
      at.run.set(p.runs),
      whileLoop(at.run, [
        repeat(at.segment, segments, segment),
        increase(at.a, a.run - segments * a.segment),
        increase(at.b, b.run - segments * b.segment),
        increase(at.run, -1),
      ]),
      tile.finish,
      increase(p.a, a.tile),
      increase(p.b, b.tile),
      increase(p.c, c.tile),
      spec.mask ? increase(p.mask, c.tile) : [],
      increase(p.tiles, -1),
    ]);
  });
}
