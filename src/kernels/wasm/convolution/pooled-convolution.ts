// Convolution with a max-pool behind it, for some images at a time: their convolution lies in scratch until it is
// pooled. The convolution is that of conv2d's kernels, bit for bit; where those have images on the lanes, the images
// are pooled there and turned when they have become small.

import type { KernelCall } from "../../kernel.ts";
import { conv2dMaxPoolGeometry, type Conv2dMaxPoolParams } from "../../ops/conv2d-max-pool.ts";
import { f32 } from "../../tensor.ts";
import { forwardSpec, type ConvolutionLayout } from "./conv2d.ts";
import { emitConvolution } from "./convolution.ts";
import { forRange, increase, repeat, when, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { i32, type Body } from "../../../wasm/instructions.ts";
import { SLACK_BYTES, type WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { columnsOf, packedStep, widthsOf } from "../products/panels.ts";
import { tileRows, type TileWidth } from "../products/tile.ts";
import { emitTurn } from "../products/turn.ts";
import { emitTurnedConvolution } from "./turned-convolution.ts";
import { emitWinnerPool } from "./winner-pool.ts";

/** emitTurn reads so many rows behind its source. */
const TURN_SLACK_ROWS = 3;

/** A routine over (x, w, bias?, y, winners); groups of images are the units. */
export function emitPooledConvolution(
  module: ModuleBuilder,
  { inputs, params }: KernelCall<Conv2dMaxPoolParams>,
  tileWidth: TileWidth,
  layout: ConvolutionLayout,
): WasmRoutine {
  const [x, w, ...bias] = inputs;
  const geometry = conv2dMaxPoolGeometry("conv2d-max-pool", x!.shape, w!.shape, params);
  const { B, H, W, C, N, vertical, horizontal, pooled } = geometry;
  const { poolSize, activation } = params;
  // A tile's rows, or its lanes.
  const atOnce = layout === "turned" ? tileWidth : tileRows(Math.min(N, tileWidth), tileWidth);
  const groups = columnsOf(B, atOnce);
  const pooledFloats = pooled[0] * pooled[1] * N;
  const xBytes = H * W * C * FLOAT_BYTES;
  const pooledBytes = pooledFloats * FLOAT_BYTES;
  const fullFloats = vertical.output * horizontal.output * N;

  const convolutionOf = (images: number): WasmRoutine => {
    const spec = forwardSpec({
      inputs: [f32(images, H, W, C), w!, ...bias],
      outputs: [],
      params: { ...params, activation: "none" },
    });
    return layout === "turned"
      ? emitTurnedConvolution(module, spec, tileWidth, "lanes")
      : emitConvolution(module, spec, tileWidth);
  };
  const poolOf = (cellFloats: number) =>
    emitWinnerPool(module, { width: horizontal.output, cellFloats, poolSize, pooled, activation });
  const convolutions = new Map(widthsOf(groups).map((images) => [images, convolutionOf(images)]));
  const routines = [...convolutions.values()];
  /** Filters are packed in the same way for any number of images. */
  const { phases, sharedBytes } = routines[0]!;
  const convolutionBytes = Math.max(...routines.map(({ scratchBytes }) => scratchBytes));
  const lanesStep = packedStep(Math.min(atOnce, B));
  const fullBytes = fullFloats * (layout === "turned" ? lanesStep : Math.min(atOnce, B) * FLOAT_BYTES);
  const turnedBytes = layout === "turned" ? (pooledFloats + TURN_SLACK_ROWS) * lanesStep : 0;

  const operands = ["x", "w", ...(bias.length > 0 ? ["bias"] : [])];
  const shared = sharedBytes > 0 ? ["shared"] : [];
  const names = ["begin", "end", ...operands, "y", "winners", ...shared, "scratch"];
  const packing = phases.slice(0, -1).map(({ func, ...rest }) => ({
    ...rest,
    func: module.func(`${func.index} without winners ${names.join(" ")}`, names, (p) =>
      func.call(...["begin", "end", ...operands, "y", ...shared, "scratch"].map((name) => p[name]!)),
    ),
  }));

  const key = `pooled convolution ${tileWidth} ${layout} ${bias.length} ${JSON.stringify([geometry, params])}`;
  const func = module.func(key, names, (p, f) => {
    const { begin, end, y, winners, scratch } = p;
    const at = f.named("i32", ["x", "y", "winners", "full", "turnedY", "turnedWinners"]);
    const { group, image, from } = f.named("i32", ["group", "image", "from"]);
    const poolImages = (images: number): Body => {
      if (layout === "direct")
        return [
          from.set(at.full),
          repeat(image, images, [
            poolOf(N).call(from, at.y, at.winners),
            increase(from, fullFloats * FLOAT_BYTES),
            [at.y, at.winners].map((pointer) => increase(pointer, pooledBytes)),
          ]),
        ];
      const step = packedStep(images);
      const turn = emitTurn(module, {
        ...{ rows: images, columns: pooledFloats, sourceRow: step, targetRow: pooledBytes },
        ...{ accumulate: false, mask: false },
      });
      return [
        poolOf((N * step) / FLOAT_BYTES).call(at.full, at.turnedY, at.turnedWinners),
        turn.call(at.turnedY, at.y),
        turn.call(at.turnedWinners, at.winners),
      ];
    };
    const ofGroup = (images: number): Body => {
      const convolution = convolutions.get(images)!.phases.at(-1)!;
      const given = operands.map((name) => (name === "x" ? at.x : p[name]!));
      return [
        convolution.func.call(
          ...[0, convolution.extent, ...given, at.full],
          ...[...shared, "scratch"].map((name) => p[name]!),
        ),
        poolImages(images),
      ];
    };
    const first = i32.mul(group, atOnce);
    return [
      at.full.set(i32.add(scratch!, convolutionBytes)),
      at.turnedY.set(i32.add(at.full, fullBytes)),
      at.turnedWinners.set(i32.add(at.turnedY, turnedBytes)),
      forRange(group, begin!, end!, 1, [
        at.x.set(i32.add(p["x"]!, i32.mul(first, xBytes))),
        at.y.set(i32.add(y!, i32.mul(first, pooledBytes))),
        at.winners.set(i32.add(winners!, i32.mul(first, pooledBytes))),
        groups.full === 0 || groups.rest === 0
          ? ofGroup(groups.rest || atOnce)
          : when(i32.ltU(group, groups.full), ofGroup(atOnce), ofGroup(groups.rest)),
      ]),
    ];
  });
  return {
    phases: [...packing, { func, extent: groups.full + Math.sign(groups.rest), grain: 1 }],
    sharedBytes,
    scratchBytes: convolutionBytes + fullBytes + 2 * turnedBytes + SLACK_BYTES,
  };
}
