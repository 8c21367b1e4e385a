// Kernels of conv2d-max-pool and its gradients. Forward they hold one image's convolution in scratch at a time, or none
// at all; backward they visit the winners alone.

import type { KernelCall } from "../kernel.ts";
import {
  conv2dMaxPool,
  conv2dMaxPoolFilterGrad,
  conv2dMaxPoolGeometry,
  conv2dMaxPoolInputGrad,
  type Conv2dMaxPoolFilterGradParams,
  type Conv2dMaxPoolGeometry,
  type Conv2dMaxPoolInputGradParams,
  type Conv2dMaxPoolParams,
} from "../ops/conv2d-max-pool.ts";
import { f32 } from "../tensor.ts";
import { emitBorder, isBordered, outerBytes, type Border } from "./border.ts";
import { conv2dKernel } from "./conv2d.ts";
import { balancedPieces } from "./convolution.ts";
import { forRange, increase, repeat, type FunctionRef, type Local, type ModuleBuilder } from "./emitter.ts";
import { f32x4, i32, i32x4, memory, v128 } from "./instructions.ts";
import { singlePhase, SLACK_BYTES, type WasmKernel } from "./kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS, VECTOR_FLOATS } from "./lanes.ts";
import {
  emitPixelTile,
  PIXEL_TILE_SPILL_BYTES,
  TILE_FILTERS,
  TILE_PIXELS,
  TILE_POOLED,
} from "./pixel-lanes.ts";
import { isWide, suits, TILE_WIDTHS, type TileWidth } from "./tile.ts";
import { emitWinnerFilterGradient, type WinnerSpec } from "./winner-filter-gradient.ts";
import { emitWinnerInputGradient } from "./winner-input-gradient.ts";

/** From so many filters on, filters fill the lanes well enough. */
const FEW_FILTERS = 16;

/** x with the border that its padding asks for. */
function paddedInput({ H, W, C, vertical, horizontal }: Conv2dMaxPoolGeometry): Border {
  return {
    height: H,
    width: W,
    channels: C,
    top: vertical.before,
    left: horizontal.before,
    outerHeight: H + vertical.before + vertical.after,
    outerWidth: W + horizontal.before + horizontal.after,
  };
}

function forwardGeometry({ inputs, params }: KernelCall<Conv2dMaxPoolParams>): Conv2dMaxPoolGeometry {
  return conv2dMaxPoolGeometry("conv2d-max-pool", inputs[0]!.shape, inputs[1]!.shape, params);
}

function suitsPixelLanes(call: KernelCall<Conv2dMaxPoolParams>): boolean {
  const { C, N } = forwardGeometry(call);
  const { strides, poolSize } = call.params;
  return (
    C === 1 && N < FEW_FILTERS && [...poolSize].every((size) => size === 2) && strides.every((s) => s === 1)
  );
}

function pixelLanesKernel(tileWidth: TileWidth): WasmKernel {
  const paired = isWide(tileWidth);
  return {
    name: `f32-conv2d-max-pool-pixels-2x${paired ? TILE_PIXELS : VECTOR_FLOATS}-wasm`,
    op: conv2dMaxPool,
    accepts: (call: KernelCall<Conv2dMaxPoolParams>, target) =>
      suits(tileWidth, target) && suitsPixelLanes(call),
    emit(module, call: KernelCall<Conv2dMaxPoolParams>) {
      const geometry = forwardGeometry(call);
      const { B, KH, KW, N, pooled } = geometry;
      const [pooledHeight, pooledWidth] = pooled;
      const images = paddedInput(geometry);
      const bordered = isBordered(images);
      const borderedBytes = bordered ? outerBytes(images) : 0;
      const rowBytes = images.outerWidth * FLOAT_BYTES;
      const bias = call.inputs.length === 3;
      const relu = call.params.activation === "relu";
      const names = ["begin", "end", "x", "w", ...(bias ? ["bias"] : []), "y", "winners", "scratch"];
      const key = `conv2d-max-pool ${tileWidth} ${relu} ${JSON.stringify(geometry)}`;
      const func = module.func(key, names, (parameters, f) => {
        const { begin, end, x, w, y, winners, scratch } = parameters;
        const { sample, piece, row, tile, image, at, filters, out, won, spill, biases } = f.named("i32", [
          "sample",
          "piece",
          "row",
          "tile",
          "image",
          "at",
          "filters",
          "out",
          "won",
          "spill",
          "biases",
        ]);
        const outBytes = pooledHeight * pooledWidth * N * FLOAT_BYTES;
        const rest = pooledWidth % TILE_POOLED;
        const tileOf = (count: number, pixels: number) => [
          emitPixelTile(module, {
            window: [KH, KW],
            filters: count,
            allFilters: N,
            pooled: pixels,
            rowBytes,
            bias,
            relu,
            paired,
          }).call(at, filters, biases, out, won, spill),
          increase(at, 2 * pixels * FLOAT_BYTES),
          [out, won].map((pointer) => increase(pointer, pixels * N * FLOAT_BYTES)),
        ];
        return [
          increase(x!, i32.mul(begin!, images.height * images.width * FLOAT_BYTES)),
          [y!, winners!].map((pointer) => increase(pointer, i32.mul(begin!, outBytes))),
          spill.set(i32.add(scratch!, borderedBytes)),
          bordered ? memory.fill(scratch!, 0, borderedBytes) : [],
          forRange(sample, begin!, end!, 1, [
            bordered ? emitBorder(module, images).call(x!, scratch!) : [],
            image.set(bordered ? scratch! : x!),
            filters.set(w!),
            bias ? biases.set(parameters["bias"]!) : [],
            balancedPieces(N, TILE_FILTERS).map(({ count, size }) =>
              repeat(piece, count, [
                at.set(image),
                out.set(i32.add(y!, i32.sub(filters, w!))),
                won.set(i32.add(winners!, i32.sub(filters, w!))),
                repeat(row, pooledHeight, [
                  repeat(tile, Math.floor(pooledWidth / TILE_POOLED), tileOf(size, TILE_POOLED)),
                  rest === 0 ? [] : tileOf(size, rest),
                  increase(at, 2 * rowBytes - 2 * pooledWidth * FLOAT_BYTES),
                ]),
                increase(filters, size * FLOAT_BYTES),
                bias ? increase(biases, size * FLOAT_BYTES) : [],
              ]),
            ),
            increase(x!, images.height * images.width * FLOAT_BYTES),
            [y!, winners!].map((pointer) => increase(pointer, outBytes)),
          ]),
        ];
      });
      // The last tile of a row reads up to a tile beyond it: after the last row that is the spill.
      return singlePhase({ func, extent: B, grain: 1, scratchBytes: borderedBytes + PIXEL_TILE_SPILL_BYTES });
    },
  };
}

/** The conv2d kernel of this width for one image after the other, and a pool behind it. */
function imageByImageKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-max-pool-images-6x${tileWidth}-wasm`,
    op: conv2dMaxPool,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, call: KernelCall<Conv2dMaxPoolParams>) {
      const { inputs, params } = call;
      const geometry = forwardGeometry(call);
      const { B, H, W, C, N, vertical, horizontal, pooled } = geometry;
      const [, ...filterAndBias] = inputs;
      const { phases, sharedBytes, scratchBytes } = conv2dKernel(tileWidth, "direct").emit(module, {
        inputs: [f32(1, H, W, C), ...filterAndBias],
        outputs: [f32(1, vertical.output, horizontal.output, N)],
        params: { ...params, activation: "none" },
      });
      const convolution = phases.at(-1)!;
      const xBytes = H * W * C * FLOAT_BYTES;
      const pooledBytes = pooled[0] * pooled[1] * N * FLOAT_BYTES;

      const operands = ["w", "bias"].slice(0, filterAndBias.length);
      const shared = sharedBytes > 0 ? ["shared"] : [];
      const names = ["begin", "end", "x", ...operands, "y", "winners", ...shared, "scratch"];
      const named = (p: Readonly<Record<string, Local<"i32">>>, wanted: readonly string[]) =>
        wanted.map((name) => p[name]!);
      const before = phases.slice(0, -1).map(({ func, ...rest }) => ({
        ...rest,
        func: module.func(`before conv2d-max-pool ${func.index} ${names.join(" ")}`, names, (p) =>
          func.call(...named(p, ["begin", "end", "x", ...operands, "y", ...shared, "scratch"])),
        ),
      }));
      const pool = emitPool(module, geometry, params);
      const key = `conv2d-max-pool of ${convolution.func.index} ${pool.index}`;
      const func = module.func(key, names, (p, f) => {
        const { begin, end, x, y, winners, scratch } = p;
        const { sample, image } = f.named("i32", ["sample", "image"]);
        return [
          increase(x!, i32.mul(begin!, xBytes)),
          [y!, winners!].map((pointer) => increase(pointer, i32.mul(begin!, pooledBytes))),
          image.set(i32.add(scratch!, scratchBytes)),
          forRange(sample, begin!, end!, 1, [
            convolution.func.call(
              0,
              convolution.extent,
              ...named(p, ["x", ...operands]),
              image,
              ...named(p, [...shared, "scratch"]),
            ),
            pool.call(image, y!, winners!),
            increase(x!, xBytes),
            [y!, winners!].map((pointer) => increase(pointer, pooledBytes)),
          ]),
        ];
      });
      const imageBytes = vertical.output * horizontal.output * N * FLOAT_BYTES;
      return {
        phases: [...before, { func, extent: B, grain: 1 }],
        sharedBytes,
        scratchBytes: scratchBytes + imageBytes + SLACK_BYTES,
      };
    },
  };
}

/** A function (image, y, winners) that pools one image. */
function emitPool(
  module: ModuleBuilder,
  { N, horizontal, pooled }: Conv2dMaxPoolGeometry,
  { poolSize, activation }: Conv2dMaxPoolParams,
): FunctionRef {
  const cellBytes = N * FLOAT_BYTES;
  const rowBytes = horizontal.output * cellBytes;
  const key = `max-pool-winners ${JSON.stringify([N, horizontal.output, pooled, poolSize, activation])}`;
  return module.func(key, ["image", "y", "winners"], (p, f) => {
    const { row, column, pass } = f.named("i32", ["row", "column", "pass"]);
    const most = SWEEP_FLOATS / VECTOR_FLOATS;
    const [best, cells] = [f.locals("v128", most), f.locals("v128", most)];
    const value = f.local("v128");
    const pointers = [p.image, p.y, p.winners];
    const offsets = Array.from({ length: poolSize[0] * poolSize[1] }, (_, cell) => {
      const y = Math.floor(cell / poolSize[1]);
      return y * rowBytes + (cell % poolSize[1]) * cellBytes;
    });
    return repeat(row, pooled[0], [
      repeat(column, pooled[1], [
        sweep(N, pass, pointers, (vectors) => [
          vectors.map(({ offset }, j) => [
            best[j]!.set(v128.load(p.image, offset)),
            cells[j]!.set(v128.zero),
            offsets
              .slice(1)
              .map((at, i) => [
                value.set(v128.load(p.image, at + offset)),
                cells[j]!.set(
                  v128.bitselect(
                    i32x4.const([i + 1, i + 1, i + 1, i + 1]),
                    cells[j]!,
                    f32x4.gt(value, best[j]!),
                  ),
                ),
                best[j]!.set(v128.or(f32x4.pmax(value, best[j]!), f32x4.pmax(best[j]!, value))),
              ]),
          ]),
          activation === "relu" ? best.map((value) => value.set(f32x4.pmax(value, v128.zero))) : [],
          storeRow(p.y, vectors, best),
          storeRow(p.winners, vectors, cells),
        ]),
        increase(p.image, (poolSize[1] - 1) * cellBytes),
      ]),
      increase(p.image, poolSize[0] * rowBytes - pooled[1] * poolSize[1] * cellBytes),
    ]);
  });
}

function winnerSpec(
  geometry: Conv2dMaxPoolGeometry,
  params: Conv2dMaxPoolFilterGradParams | Conv2dMaxPoolInputGradParams,
): WinnerSpec {
  return {
    batch: geometry.B,
    images: paddedInput(geometry),
    window: [geometry.KH, geometry.KW],
    strides: params.strides,
    poolSize: params.poolSize,
    pooled: [...geometry.pooled, geometry.N],
  };
}

function filterGradKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-conv2d-max-pool-filter-grad-winners-12x${tileWidth / 2}-wasm`,
    op: conv2dMaxPoolFilterGrad,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<Conv2dMaxPoolFilterGradParams>) {
      const geometry = conv2dMaxPoolGeometry(
        "conv2d-max-pool-filter-grad",
        inputs[0]!.shape,
        params.filterShape,
        params,
      );
      const { func, scratchBytes } = emitWinnerFilterGradient(
        module,
        winnerSpec(geometry, params),
        isWide(tileWidth),
      );
      return singlePhase({ func, extent: geometry.N, grain: 1, scratchBytes });
    },
  };
}

const inputGradKernel: WasmKernel = {
  name: "f32-conv2d-max-pool-input-grad-winners-wasm",
  op: conv2dMaxPoolInputGrad,
  accepts: () => true,
  emit(module, { inputs, params }: KernelCall<Conv2dMaxPoolInputGradParams>) {
    const geometry = conv2dMaxPoolGeometry(
      "conv2d-max-pool-input-grad",
      params.inputShape,
      inputs[2]!.shape,
      params,
    );
    return emitWinnerInputGradient(module, winnerSpec(geometry, params), inputs.length === 4);
  },
};

export const conv2dMaxPoolKernels: readonly WasmKernel[] = [
  ...TILE_WIDTHS.flatMap((width) => [
    pixelLanesKernel(width),
    imageByImageKernel(width),
    filterGradKernel(width),
  ]),
  inputGradKernel,
];
