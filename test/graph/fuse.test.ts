import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device, DeviceVector, Plan, Program } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { assemble } from "../../src/graph/assemble.ts";
import { differentiate } from "../../src/graph/differentiate.ts";
import { GraphBuilder, layoutOf, type Graph } from "../../src/graph/graph.ts";
import { buildTrainingProgram } from "../../src/graph/program.ts";
import { allocateVectors } from "../../src/graph/vectors.ts";
import type { Tensor } from "../../src/kernels/op.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { elementCount, f32, i32 } from "../../src/kernels/tensor.ts";
import { RandomStream } from "../../src/random.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";

interface Model {
  readonly graph: Graph;
  readonly loss: Tensor;
  readonly results: Readonly<Record<string, Tensor>>;
}

interface Options {
  readonly pool?: { readonly poolSize: [number, number]; readonly strides: [number, number] };
  readonly pooling?: "max-pool" | "avg-pool";
  /** Whether the convolution's output is a result of its own. */
  readonly keepConvolution?: boolean;
}

const BATCH = 3;

/** Two pooled convolutions and two dense layers: LeNet-5 in small. */
function classifier({ pool, pooling = "max-pool", keepConvolution = false }: Options = {}): Model {
  const builder = new GraphBuilder();
  const parameter = (name: string, ...shape: number[]): Tensor =>
    builder.parameter(name, shape, { kind: "zeros" });
  const conv = (x: Tensor, name: string, ...shape: [number, number, number, number]): Tensor =>
    builder.apply(ops.conv2d, [x, parameter(`${name}/w`, ...shape), parameter(`${name}/b`, shape[3])], {
      strides: [1, 1],
      padding: "same",
      activation: "relu",
    });
  const pooled = (x: Tensor): Tensor =>
    builder.apply(ops[pooling], [x], {
      ...(pool ?? { poolSize: [2, 2], strides: [2, 2] }),
      padding: "valid",
    });
  const dense = (x: Tensor, name: string, units: number, activation: "relu" | "none"): Tensor => {
    const operands = [x, parameter(`${name}/w`, x.type.shape[1]!, units), parameter(`${name}/b`, units)];
    return builder.apply(ops.dense, operands, { activation });
  };
  const first = conv(builder.input("x", f32(BATCH, 12, 13, 1)), "first", 5, 5, 1, 6);
  const second = pooled(conv(pooled(first), "second", 3, 3, 6, 9));
  const flat = builder.apply(ops.reshape, [second], { shape: [BATCH, elementCount(second.type) / BATCH] });
  const logits = dense(dense(flat, "third", 11, "relu"), "last", 7, "none");
  const [loss] = builder.add(ops["softmax-cross-entropy"], [logits, builder.input("labels", i32(BATCH))], {});
  const results = { loss: loss!, logits, ...(keepConvolution ? { first } : {}) };
  return { graph: builder.build(), loss: loss!, results };
}

interface Built {
  readonly program: Program;
  readonly plan: Plan;
}

/** As buildTrainingProgram, with nothing fused. */
function buildUnfused({ graph, loss, results }: Model): Built & { readonly readyAt: readonly number[] } {
  const { graph: extended, gradients } = differentiate(graph, loss);
  const { entries, length } = layoutOf(graph.parameters);
  const wanted = [
    ...gradients.map((tensor, i) => ({ tensor, vector: "gradients", offset: entries[i]!.offset })),
    ...Object.entries(results).map(([name, tensor]) => ({ tensor, vector: `result.${name}`, offset: 0 })),
  ];
  const sizes = Object.entries(results).map(([name, { type }]) => [`result.${name}`, elementCount(type)]);
  return assemble(extended, wanted, {
    gradients: length,
    ...(Object.fromEntries(sizes) as Record<string, number>),
  });
}

function buildFused({ graph, loss, results }: Model) {
  return buildTrainingProgram(graph, loss, results);
}

/** Gradients and results of one run, the device's only one, on numbers that are the same for every program of a model. */
async function run(device: Device, { program, plan }: Built): Promise<Record<string, Float32Array>> {
  const vectors: Record<string, DeviceVector> = allocateVectors(device, program);
  for (const name of ["parameters", "input.x"]) {
    const random = new RandomStream(3, name);
    const vector = vectors[name]!;
    device.write(
      vector,
      0,
      Float32Array.from({ length: vector.elements }, () => random.nextNormal() / 2),
    );
  }
  device.write(vectors["input.labels"]!, 0, Int32Array.of(3, 0, 6));
  await (await device.compile(program, plan, vectors)).run();
  const read = Object.keys(vectors).filter((name) => /^(gradients|result)/.test(name));
  const contents = Object.fromEntries(
    await Promise.all(read.map(async (name) => [name, (await device.readF32(vectors[name]!)).slice()])),
  ) as Record<string, Float32Array>;
  device.destroy();
  return contents;
}

function opNames({ program }: Built): string[] {
  return program.instructions.map(({ op }) => op.name);
}

interface Tested {
  readonly name: string;
  readonly create: () => Device | Promise<Device>;
  /** Largest difference of a fused program's loss and logits: a kernel for more ops at once may add up in another order. */
  readonly tolerance: number;
  /** For node:test. */
  readonly options?: { readonly skip: string | false };
}

const devices: readonly Tested[] = [
  { name: "reference", create: () => createReferenceDevice({ precision: "f32" }), tolerance: 0 },
  { name: "wasm", create: () => createWasmDevice(), tolerance: 0 },
  { name: "webgpu", create: createTestGpu, tolerance: 1e-6, options: needsGpu },
];

/** Differences count in relation to the largest element. */
function expectClose(
  got: Float32Array,
  expected: Float32Array,
  { what, tolerance }: { readonly what: string; readonly tolerance: number },
): void {
  const scale = Math.max(...expected.map(Math.abs));
  assert.ok(scale > 0.01);
  expected.forEach((value, i) =>
    assert.ok(Math.abs(got[i]! - value) <= tolerance * scale, `${what} ${i}: ${got[i]} but ${value}`),
  );
}

for (const { name, create, tolerance, options = {} } of devices) {
  const difference = tolerance === 0 ? "bit for bit" : `within ${tolerance}`;
  test(
    `a fused program has the unfused one's loss ${difference} and its gradients up to rounding on ${name}`,
    options,
    async () => {
      const model = classifier();
      const fused = await run(await create(), buildFused(model));
      const unfused = await run(await create(), buildUnfused(model));
      for (const [what, count] of [
        ["result.loss", 1],
        ["result.logits", BATCH * 7],
      ] as const)
        expectClose(fused[what]!.subarray(0, count), unfused[what]!.subarray(0, count), { what, tolerance });
      expectClose(fused["gradients"]!, unfused["gradients"]!, { what: "gradient", tolerance: 1e-6 });
    },
  );

  for (const pooling of ["max-pool", "avg-pool"] as const)
    test(
      `masks change no bit of the gradients on ${name}, where windows of ${pooling} overlap`,
      options,
      async () => {
        const model = classifier({ pool: { poolSize: [3, 2], strides: [2, 1] }, pooling });
        const fused = buildFused(model);
        assert.ok(opNames(fused).includes(`${pooling}-grad`));
        assert.ok(!opNames(fused).includes("relu-grad") || pooling === "max-pool");
        assert.deepEqual(
          (await run(await create(), fused))["gradients"],
          (await run(await create(), buildUnfused(model)))["gradients"],
        );
      },
    );
}

test("a pooled convolution becomes one op, and no mask a pass of its own", () => {
  const model = classifier();
  const names = opNames(buildFused(model));
  assert.equal(names.filter((name) => name === "conv2d-max-pool").length, 2);
  for (const gone of ["conv2d", "max-pool", "max-pool-grad"]) assert.ok(!names.includes(gone), gone);
  assert.ok(!names.includes("relu-grad"));
});

test("softmax cross-entropy leaves its gradient on the way, unless that is scaled", () => {
  const names = opNames(buildFused(classifier()));
  assert.ok(names.includes("softmax-cross-entropy-with-grad"));
  for (const gone of ["softmax-cross-entropy", "softmax-cross-entropy-grad", "fill"])
    assert.ok(!names.includes(gone), gone);

  const { graph, loss } = classifier();
  const builder = new GraphBuilder(graph);
  const weighted = builder.apply(ops.multiply, [loss, builder.input("weight", f32(1))], {});
  const scaled = opNames(buildFused({ graph: builder.build(), loss: weighted, results: {} }));
  assert.ok(scaled.includes("softmax-cross-entropy-grad"));
});

test("a convolution that is a result, or whose pool overlaps, stays by itself", () => {
  const kept = opNames(buildFused(classifier({ keepConvolution: true })));
  assert.equal(kept.filter((name) => name === "conv2d").length, 1);
  assert.equal(kept.filter((name) => name === "conv2d-max-pool").length, 1);
  const overlapping = opNames(buildFused(classifier({ pool: { poolSize: [3, 3], strides: [2, 2] } })));
  assert.equal(overlapping.filter((name) => name === "conv2d").length, 2);
});

test("gradients become final in the order that they have without fusion", () => {
  const model = classifier();
  const orderOf = (readyAt: readonly number[]) =>
    readyAt.map((_, entry) => entry).sort((a, b) => readyAt[a]! - readyAt[b]!);
  const unfused = buildUnfused(model).readyAt.slice(0, model.graph.parameters.length);
  assert.deepEqual(orderOf(buildFused(model).gradientReadyAt), orderOf(unfused));
});

test("a fused program needs less memory", () => {
  const model = classifier();
  assert.ok(buildFused(model).plan.arenaElements < buildUnfused(model).plan.arenaElements / 2);
});
