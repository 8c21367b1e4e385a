import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeviceVector, Program } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { GraphBuilder } from "../../src/graph/graph.ts";
import { buildInferenceProgram, buildTrainingProgram } from "../../src/graph/program.ts";
import { allocateVectors } from "../../src/graph/vectors.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { f32, i32 } from "../../src/kernels/tensor.ts";
import { randomGraph } from "./random-graph.ts";

const zeros = { kind: "zeros" } as const;

function opNames(program: Program): string[] {
  return program.instructions.map(({ op }) => op.name);
}

/** A two-layer classifier of 5 features into 3 classes. */
function classifier(batchSize: number) {
  const builder = new GraphBuilder();
  const x = builder.input("x", f32(batchSize, 5));
  const labels = builder.input("labels", i32(batchSize));
  const dense = (input: typeof x, name: string, shape: [number, number], activation: "relu" | "none") =>
    builder.apply(
      ops.dense,
      [
        input,
        builder.parameter(`${name}/w`, shape, zeros),
        builder.parameter(`${name}/b`, [shape[1]], zeros),
      ],
      { activation },
    );
  const hidden = dense(x, "hidden", [5, 70], "relu");
  const logits = dense(hidden, "logits", [70, 3], "none");
  const [loss, correct] = builder.add(ops["softmax-cross-entropy"], [logits, labels], {});
  const outputs = builder.apply(ops.softmax, [logits], {});
  return { graph: builder.build(), loss: loss!, correct: correct!, outputs };
}

test("a training program's vectors are parameters, gradients, statistics, inputs and results, 64 elements at a time", () => {
  const { graph, loss, correct } = classifier(30);
  const { program, parameters } = buildTrainingProgram(graph, loss, { loss, correct });
  assert.deepEqual(program.vectors, {
    parameters: 384 + 128 + 256 + 64,
    gradients: 384 + 128 + 256 + 64,
    statistics: 0,
    "input.x": 192,
    "input.labels": 64,
    "result.loss": 64,
    "result.correct": 64,
  });
  assert.deepEqual(
    parameters.entries.map(({ offset }) => offset),
    [0, 384, 512, 768],
  );
});

test("gradients are computed straight into their vector, the last layer's first", () => {
  const { graph, loss } = classifier(30);
  const { program, parameters, gradientReadyAt } = buildTrainingProgram(graph, loss, { loss });
  for (const [entry, at] of gradientReadyAt.entries()) {
    const output = program.values[program.instructions[at]!.outputs[0]!]!;
    const { offset, shape } = parameters.entries[entry]!;
    assert.deepEqual(output.place, { kind: "vector", vector: "gradients", offset });
    assert.deepEqual(output.type.shape, shape);
  }
  const [hiddenW, hiddenB, logitsW, logitsB] = gradientReadyAt as [number, number, number, number];
  assert.ok(Math.max(logitsW, logitsB) < Math.min(hiddenW, hiddenB));
  // Each layer's parameters come before the gradient that goes on to the layer below.
  assert.deepEqual(opNames(program).slice(logitsW, logitsB + 2), ["matmul", "column-sum", "matmul"]);
});

test("a gradient is final as soon as its instruction has finished", async () => {
  for (let seed = 0; seed < 15; seed++) {
    const { graph, objective, results } = randomGraph(seed);
    const { program, plan, parameters, gradientReadyAt } = buildTrainingProgram(graph, objective, results);
    const device = createReferenceDevice({ precision: "f64" });
    const vectors = allocateVectors(device, program);
    const noise = (length: number) => Float64Array.from({ length }, (_, i) => Math.sin(i + seed) / 3);
    for (const vector of [vectors.parameters!, vectors["input.x"] ?? vectors.parameters!])
      device.writeF64(vector, 0, noise(vector.elements));
    const gradients = device.readF64(vectors.gradients!).fill(NaN);
    const early: Float64Array[] = [];
    const step = await device.compile(program, plan, vectors);
    await step.run({
      readBacks: gradientReadyAt.map((after, entry) => {
        const { offset: begin, length } = parameters.entries[entry]!;
        const end = begin + length;
        const ready = () => void (early[entry] = gradients.slice(begin, end));
        return { vector: vectors.gradients!, begin, end, after, ready };
      }),
    });
    for (const [entry, { offset, length }] of parameters.entries.entries()) {
      assert.deepEqual(early[entry], gradients.subarray(offset, offset + length));
      assert.ok(early[entry].every(Number.isFinite));
    }
  }
});

test("one gradient of two parameters lands in both places", async () => {
  const builder = new GraphBuilder();
  const [a, b] = [builder.parameter("a", [1, 3], zeros), builder.parameter("b", [1, 3], zeros)];
  const sum = builder.apply(ops.add, [a, b], {});
  const loss = builder.apply(ops["mean-squared-error"], [sum, builder.input("target", f32(1, 3))], {});
  const { program, plan } = buildTrainingProgram(builder.build(), loss, { sum, again: sum });
  const device = createReferenceDevice({ precision: "f32" });
  const vectors = allocateVectors(device, program);
  device.write(vectors.parameters!, 0, Float32Array.of(1, 2, 3));
  await (await device.compile(program, plan, vectors)).run();
  const gradients = await device.readF32(vectors.gradients!);
  const expected = [1, 2, 3].map((value) => Math.fround((value * 2) / 3));
  assert.deepEqual([...gradients.subarray(0, 3)], expected);
  assert.deepEqual([...gradients.subarray(64, 67)], expected);
  for (const name of ["result.sum", "result.again"])
    assert.deepEqual([...(await device.readF32(vectors[name]!)).subarray(0, 3)], [1, 2, 3]);
});

test("a gradient that arrives through views lands in its vector under the parameter's shape", async () => {
  const builder = new GraphBuilder();
  const p = builder.parameter("p", [6], zeros);
  const y = builder.apply(ops.reshape, [builder.apply(ops.reshape, [p], { shape: [2, 3] })], {
    shape: [1, 6],
  });
  const loss = builder.apply(ops["mean-squared-error"], [y, builder.input("target", f32(1, 6))], {});
  const { program, plan } = buildTrainingProgram(builder.build(), loss, { loss, p });
  const device = createReferenceDevice({ precision: "f32" });
  const vectors = allocateVectors(device, program);
  device.write(vectors.parameters!, 0, Float32Array.of(3, 6, 9, 12, 15, 18));
  await (await device.compile(program, plan, vectors)).run();
  assert.deepEqual([...(await device.readF32(vectors.gradients!)).subarray(0, 6)], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...(await device.readF32(vectors["result.p"]!)).subarray(0, 6)], [3, 6, 9, 12, 15, 18]);
});

test("an inference program holds only what its results need", () => {
  const { graph, outputs } = classifier(30);
  const { program } = buildInferenceProgram(graph, { outputs });
  assert.deepEqual(opNames(program), ["dense", "dense", "softmax"]);
  assert.deepEqual(Object.keys(program.vectors).sort(), [
    "input.x",
    "parameters",
    "result.outputs",
    "statistics",
  ]);
});

test("a result of integers is refused", () => {
  const builder = new GraphBuilder();
  const labels = builder.input("labels", i32(5));
  assert.throws(() => buildInferenceProgram(builder.build(), { labels }), {
    code: "result-not-f32",
    message: "program: result.labels is i32[5] but expected f32",
  });
});

test("programs of two batch sizes share the vectors that they have in common", () => {
  const device = createReferenceDevice({ precision: "f32" });
  const programOf = (batchSize: number) => {
    const { graph, loss } = classifier(batchSize);
    return buildTrainingProgram(graph, loss, { loss }).program;
  };
  const large: Record<string, DeviceVector> = allocateVectors(device, programOf(30));
  const small = allocateVectors(device, programOf(7), large);
  for (const name of Object.keys(small)) assert.equal(small[name], large[name]);
  assert.throws(() => allocateVectors(device, programOf(90), large), {
    code: "vector-too-small",
    message: "vectors: input.x has 192 elements but the program needs 512",
  });
});

/** One feature, whose mean over the batch moves a statistic by half of the way; the loss is the weighted feature's. */
function withStatistic() {
  const builder = new GraphBuilder();
  const x = builder.input("x", f32(2, 3));
  const weight = builder.parameter("weight", [3], { kind: "ones" });
  const moving = builder.statistic("moving", [3], zeros);
  const sums = builder.apply(ops["column-sum"], [x], {});
  builder.update(moving, builder.apply(ops["moving-average"], [moving, sums], { momentum: 0.5 }));
  const targets = builder.input("targets", f32(2, 3));
  const outputs = builder.apply(ops["bias-add"], [x, weight], {});
  const [loss] = builder.add(ops["mean-squared-error"], [outputs, targets], {});
  return { builder, moving, loss: loss! };
}

test("a training program takes the statistics one step on, an inference program leaves them", async () => {
  const { builder, loss } = withStatistic();
  const graph = builder.build();
  const device = createReferenceDevice({ precision: "f32" });
  const training = buildTrainingProgram(graph, loss, { loss });
  const inference = buildInferenceProgram(graph, { loss });
  const vectors = allocateVectors(device, training.program);
  device.write(vectors["input.x"]!, 0, Float32Array.of(1, 2, 3, 3, 2, 1));
  device.write(vectors.statistics!, 0, Float32Array.of(4, 0, 8));
  const trained = await device.compile(training.program, training.plan, vectors);
  const inferred = await device.compile(inference.program, inference.plan, vectors);
  const statistics = async () => [...(await device.readF32(vectors.statistics!)).subarray(0, 3)];
  await trained.run();
  assert.deepEqual(await statistics(), [4, 2, 6]);
  await inferred.run();
  assert.deepEqual(await statistics(), [4, 2, 6]);
  await trained.run();
  assert.deepEqual(await statistics(), [4, 3, 5]);
});

test("a statistic that others than its update read is a bug", () => {
  const { builder, moving, loss } = withStatistic();
  const read = builder.apply(ops.relu, [moving], {});
  assert.throws(() => buildTrainingProgram(builder.build(), loss, { read }), /bug: moving is read by others/);
});

test("a scaled loss multiplies every gradient by an input, and no result", async () => {
  const { graph, loss, correct } = classifier(4);
  const vectorsAfter = async (lossScale?: number) => {
    const options = { scalesLoss: lossScale !== undefined };
    const { program, plan } = buildTrainingProgram(graph, loss, { loss, correct }, options);
    const device = createReferenceDevice({ precision: "f32" });
    const vectors: Record<string, DeviceVector> = allocateVectors(device, program);
    for (const name of ["parameters", "input.x"]) {
      const { elements } = vectors[name]!;
      const values = Float32Array.from({ length: elements }, (_, i) => Math.sin(i));
      device.write(vectors[name]!, 0, values);
    }
    device.write(vectors["input.labels"]!, 0, Int32Array.of(2, 0, 1, 1));
    if (lossScale !== undefined) device.write(vectors["input.lossScale"]!, 0, Float32Array.of(lossScale));
    await (await device.compile(program, plan, vectors)).run();
    const read = async (name: string) => [...(await device.readF32(vectors[name]!))];
    return { gradients: await read("gradients"), loss: await read("result.loss") };
  };
  const [plain, scaled] = [await vectorsAfter(), await vectorsAfter(8)];
  assert.ok(plain.gradients.some((value) => value !== 0));
  assert.deepEqual(
    scaled.gradients,
    plain.gradients.map((value) => 8 * value),
  );
  assert.deepEqual(scaled.loss, plain.loss);
});
