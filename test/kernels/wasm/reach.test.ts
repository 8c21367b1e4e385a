import assert from "node:assert/strict";
import { test } from "node:test";
import { windowAxis } from "../../../src/kernels/ops/window.ts";
import { filterPieces, lineBlocks } from "../../../src/kernels/wasm/convolution/filter-pieces.ts";
import {
  adjointReaches,
  forwardReach,
  reachedOutputs,
  stretchesOf,
  type Reach,
  type WindowMove,
} from "../../../src/kernels/wasm/convolution/reach.ts";

function* moves(): Generator<WindowMove> {
  for (const padding of ["same", "valid"] as const)
    for (const input of [1, 2, 5, 8])
      for (const window of [1, 2, 3, 5])
        for (const stride of [1, 2, 3])
          for (const dilation of [1, 2, 3]) {
            if (padding === "valid" && (window - 1) * dilation >= input) continue;
            const { output, before } = windowAxis("op", "x", input, window, stride, padding, dilation);
            yield { input, output, before, window, stride, dilation };
          }
}

/** `output tap source` of every product inside the image, by definition. */
function products({ input, output, before, window, stride, dilation }: WindowMove): string[] {
  const all: string[] = [];
  for (let y = 0; y < output; y++)
    for (let tap = 0; tap < window; tap++) {
      const x = y * stride + tap * dilation - before;
      if (x >= 0 && x < input) all.push(`${y} ${tap} ${x}`);
    }
  return all.sort();
}

/** [output, tap, source] of every product that the stretches of a reach visit. */
function visited(reach: Reach): [number, number, number][] {
  return stretchesOf(reach).flatMap(({ output, count, tap, taps, cell }) =>
    Array.from({ length: count }, (_, i) =>
      Array.from({ length: taps }, (_, t): [number, number, number] => [
        reach.outputFirst + (output + i) * reach.outputStep,
        reach.taps[tap + t]!,
        cell + i * reach.stride + t * reach.spacing,
      ]),
    ).flat(),
  );
}

test("a forward reach visits every product inside the image once", () => {
  for (const move of moves()) {
    const all = visited(forwardReach(move)).map(([y, tap, x]) => `${y} ${tap} ${x}`);
    assert.deepEqual(all.sort(), products(move), JSON.stringify(move));
  }
});

test("the adjoint's reaches share out the same products", () => {
  for (const move of moves()) {
    const all = adjointReaches(move)
      .flatMap(visited)
      .map(([x, tap, y]) => `${y} ${tap} ${x}`);
    assert.deepEqual(all.sort(), products(move), JSON.stringify(move));
  }
});

test("stretches cover all outputs, in order, those without a tap too", () => {
  for (const move of moves())
    for (const reach of [forwardReach(move), ...adjointReaches(move)]) {
      let next = 0;
      for (const { output, count } of stretchesOf(reach)) {
        assert.equal(output, next);
        next += count;
      }
      assert.equal(next, reach.outputs);
    }
});

test("a tap's reached outputs are those whose products lie inside the image", () => {
  for (const move of moves()) {
    const reach = forwardReach(move);
    const all = reach.taps.flatMap((tap) => {
      const { first, count } = reachedOutputs(reach, tap);
      return Array.from({ length: count }, (_, i) => {
        const y = first + i;
        return `${y} ${tap} ${y * move.stride + tap * move.dilation - move.before}`;
      });
    });
    assert.deepEqual(all.sort(), products(move), JSON.stringify(move));
  }
});

test("blocks of lines share out the lines that every piece reaches", () => {
  for (const move of moves()) {
    const reach = forwardReach(move);
    for (const channels of [2, 13]) {
      const source = { height: move.input, width: move.input, channels };
      const output = { height: move.output, width: move.output, channels: 4 };
      const axes = { vertical: reach, horizontal: reach, window: [move.window, move.window] as const };
      const { pieces } = filterPieces({ batch: 1, source, output, ...axes }, 6);
      const reached = pieces.map(() => [] as number[]);
      let begin = 0;
      for (const block of lineBlocks(move.output, 3, pieces))
        for (let i = 0; i < block.count; i++) {
          block.reached.forEach(({ first, count }, piece) => {
            for (let line = 0; line < count; line++) reached[piece]!.push(begin + first + line);
          });
          begin += block.lines;
        }
      assert.equal(begin, move.output);
      pieces.forEach(({ lines }, piece) => {
        const expected = Array.from({ length: lines.count }, (_, i) => lines.first + i);
        assert.deepEqual(reached[piece], expected, JSON.stringify(move));
      });
    }
  }
});
