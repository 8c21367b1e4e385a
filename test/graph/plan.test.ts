import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan, Program } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { initializeParameters } from "../../src/graph/initialize.ts";
import { planMemory } from "../../src/graph/plan.ts";
import { buildTrainingProgram, type TrainingProgram } from "../../src/graph/program.ts";
import { allocateVectors } from "../../src/graph/vectors.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { alignElements, elementCount, f32 } from "../../src/kernels/tensor.ts";
import { RandomStream } from "../../src/random.ts";
import { randomGraph } from "./random-graph.ts";

const seeds = Array.from({ length: 60 }, (_, seed) => seed);

function trainingProgram(seed: number): TrainingProgram {
  const { graph, objective, results } = randomGraph(seed);
  return buildTrainingProgram(graph, objective, results);
}

/**
 * Runs the program on names instead of numbers: each arena cell holds the id of the value that wrote it last, and what
 * an instruction reads must still be what was written.
 */
function checkPlan({ values, instructions }: Program, { offsets, arenaElements }: Plan): void {
  const written = new Map<number, number>();
  const cells = new Int32Array(arenaElements).fill(-1);
  const memory = (id: number) => cells.subarray(offsets[id], offsets[id]! + elementCount(values[id]!.type));
  const inArena = (id: number): boolean => values[id]!.place.kind === "arena";
  instructions.forEach(({ op, inputs, outputs }, index) => {
    for (const id of inputs.filter(inArena)) {
      const owner = written.get(id);
      assert.ok(owner !== undefined, `${op.name}@${index} reads a value that nobody wrote`);
      assert.ok(
        memory(id).every((cell) => cell === owner),
        `${op.name}@${index} reads ${values[id]!.name} overwritten`,
      );
    }
    if (op.view === true) {
      const [source, view] = [inputs[0]!, outputs[0]!];
      assert.equal(offsets[view], offsets[source]);
      assert.deepEqual(values[view]!.place, values[source]!.place);
      if (inArena(view)) written.set(view, written.get(source)!);
      return;
    }
    const arenaOutputs = outputs.filter(inArena);
    for (const output of arenaOutputs) {
      const [begin, end] = [offsets[output]!, offsets[output]! + elementCount(values[output]!.type)];
      assert.ok(begin >= 0 && begin % 64 === 0 && end <= arenaElements);
      inputs.filter(inArena).forEach((input) => {
        const position = inputs.indexOf(input);
        const inputEnd = offsets[input]! + elementCount(values[input]!.type);
        if (begin >= inputEnd || offsets[input]! >= end) return;
        assert.ok(
          output === outputs[0] && op.inPlace?.includes(position),
          `${op.name}@${index} writes on an operand`,
        );
        assert.equal(offsets[input], begin, `${op.name}@${index} lies across an operand`);
      });
      assert.ok(
        memory(output).every((cell) => !arenaOutputs.includes(cell)),
        "outputs lie apart",
      );
      memory(output).fill(output);
      written.set(output, output);
    }
  });
}

test("no value is overwritten while anybody still reads it", () => {
  for (const seed of seeds) {
    const { program, plan } = trainingProgram(seed);
    checkPlan(program, plan);
  }
});

test("values in vectors have no offset in the arena", () => {
  const { program, plan } = trainingProgram(1);
  program.values.forEach(({ place }, id) => assert.equal(plan.offsets[id] === -1, place.kind === "vector"));
});

/** Bits of gradients and results after one run. */
async function run(
  training: TrainingProgram,
  plan: Plan,
  seed: number,
): Promise<Record<string, Float32Array>> {
  const { graph } = randomGraph(seed);
  const device = createReferenceDevice({ precision: "f32" });
  const vectors = allocateVectors(device, training.program);
  const random = new RandomStream(seed, "data");
  for (const [name, vector] of Object.entries(vectors))
    if (name.startsWith("input."))
      device.write(
        vector,
        0,
        Float32Array.from({ length: vector.elements }, () => random.nextNormal()),
      );
  const parameters = new Float32Array(training.parameters.length);
  initializeParameters(graph.parameters, seed, parameters);
  device.write(vectors.parameters!, 0, parameters);
  await (await device.compile(training.program, plan, vectors)).run();
  const outputs = Object.keys(vectors).filter((name) => name === "gradients" || name.startsWith("result."));
  return Object.fromEntries(
    await Promise.all(
      outputs.map(async (name) => [name, (await device.readF32(vectors[name]!)).slice()] as const),
    ),
  );
}

/** A plan in which every value has memory of its own, but for views. */
function spaciousPlan({ values, instructions }: Program): Plan {
  const offsets = values.map(() => -1);
  let end = 0;
  for (const { op, inputs, outputs } of instructions)
    for (const id of outputs) {
      if (values[id]!.place.kind === "vector") continue;
      offsets[id] = op.view === true ? offsets[inputs[0]!]! : end;
      if (op.view !== true) end += alignElements(elementCount(values[id]!.type));
    }
  return { offsets, arenaElements: end };
}

test("sharing memory changes no bit of gradients and results", async () => {
  for (const seed of seeds.slice(0, 25)) {
    const training = trainingProgram(seed);
    const shared = await run(training, training.plan, seed);
    assert.deepEqual(shared, await run(training, spaciousPlan(training.program), seed));
    for (const values of Object.values(shared)) assert.ok(values.every(Number.isFinite));
  }
});

test("memory is shared: random graphs need less than two thirds of what they would without", () => {
  let [shared, spacious] = [0, 0];
  for (const seed of seeds) {
    const { program, plan } = trainingProgram(seed);
    shared += plan.arenaElements;
    spacious += spaciousPlan(program).arenaElements;
  }
  assert.ok(shared < (2 / 3) * spacious, `${shared} of ${spacious}`);
});

test("a chain of ops in place lives on one block", () => {
  const value = (name: string) => ({ type: f32(100), name, place: { kind: "arena" } as const });
  const values = ["a", "b", "c", "d"].map(value);
  const instructions = [
    { op: ops.fill, params: { shape: [100], value: 1 }, inputs: [], outputs: [0] },
    { op: ops.relu, params: {}, inputs: [0], outputs: [1] },
    { op: ops.add, params: {}, inputs: [1, 1], outputs: [2] },
    { op: ops.tanh, params: {}, inputs: [2], outputs: [3] },
  ];
  assert.deepEqual(planMemory(values, instructions), { offsets: [0, 0, 0, 0], arenaElements: 128 });
});

test("a value that is read again later is not overwritten in place", () => {
  const values = ["a", "b", "c"].map((name) => ({ type: f32(64), name, place: { kind: "arena" } as const }));
  const instructions = [
    { op: ops.fill, params: { shape: [64], value: 1 }, inputs: [], outputs: [0] },
    { op: ops.relu, params: {}, inputs: [0], outputs: [1] },
    { op: ops.add, params: {}, inputs: [0, 1], outputs: [2] },
  ];
  const { offsets, arenaElements } = planMemory(values, instructions);
  assert.notEqual(offsets[0], offsets[1]);
  assert.equal(arenaElements, 128);
});

test("an operand is not overwritten while another operand on the same memory must stay", () => {
  const values = ["x", "flat", "y"].map((name) => ({
    type: f32(64),
    name,
    place: { kind: "arena" } as const,
  }));
  const instructions = [
    { op: ops.fill, params: { shape: [64], value: 1 }, inputs: [], outputs: [0] },
    { op: ops.reshape, params: { shape: [64] }, inputs: [0], outputs: [1] },
    // Only operand 0 of bias-add may be overwritten, and its bias is the same memory.
    { op: ops["bias-add"], params: {}, inputs: [0, 1], outputs: [2] },
  ];
  const { offsets } = planMemory(values, instructions);
  assert.equal(offsets[1], offsets[0]);
  assert.notEqual(offsets[2], offsets[0]);
});

test("an operand of another size is not taken over", () => {
  const values = [f32(64), f32(640)].map((type) => ({ type, name: "v", place: { kind: "arena" } as const }));
  const widen = { ...ops.relu, name: "widen" };
  const instructions = [
    { op: ops.fill, params: { shape: [64], value: 1 }, inputs: [], outputs: [0] },
    { op: widen, params: {}, inputs: [0], outputs: [1] },
  ];
  const plan = planMemory(values, instructions);
  checkPlan({ values, instructions, vectors: {} }, plan);
  assert.equal(plan.arenaElements, 704);
});
