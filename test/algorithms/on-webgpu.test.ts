// Every algorithm trains on a GPU as it does on the host: its replicas end where those of wasm do, and a state goes from
// one device to the other.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Device } from "../../src/device/device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";
import {
  type CrewSettings,
  type Member,
  openCrew,
  parametersOf,
  stateOf,
  STEPS_PER_EPOCH,
  trainCrew,
} from "./crew.ts";

/** All slices have eight samples: lavapipe takes seconds to compile the products of each other number. */
const even = { rows: 80, batchSize: 16, worldSize: 2 };

/** Of the largest parameter. */
const TOLERANCE = 1e-4;

const opened: Device[] = [];
after(() => opened.forEach((device) => device.destroy()));

async function createGpu(): Promise<Device> {
  const device = await createTestGpu();
  opened.push(device);
  return device;
}

function assertEqualWithin(got: Float32Array, expected: Float32Array): void {
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(scale > 0 && got.length === expected.length);
  got.forEach((value, i) =>
    assert.ok(
      Math.abs(value - expected[i]!) <= TOLERANCE * scale,
      `[${i}] is ${value}, expected ${expected[i]}`,
    ),
  );
}

const cases: Readonly<Record<string, CrewSettings>> = {
  "ga-sgd with a bucket for each layer": { algorithm: "ga-sgd" },
  "ga-sgd with one bucket and statistics": { algorithm: "ga-sgd", bucketBytes: 1 << 20, batchNorm: true },
  "ga-sgd with adam": { algorithm: "ga-sgd", optimizer: "adam" },
  "local-sgd": { algorithm: "local-sgd", syncEvery: 3, batchNorm: true },
  diloco: { algorithm: "diloco", syncEvery: 3, optimizer: "adamw" },
  // A single rank has nobody whose timing would matter.
  "ga-sgd without lockstep": { algorithm: "ga-sgd", staleness: 1, rows: 40, batchSize: 8, worldSize: 1 },
};

describe("on a GPU", needsGpu, () => {
  for (const [name, settings] of Object.entries(cases))
    test(`${name} ends where it does on the host`, async () => {
      const [host, gpu] = [
        await trainCrew({ ...even, ...settings, createDevice: () => createWasmDevice() }),
        await trainCrew({ ...even, ...settings, createDevice: createGpu }),
      ];
      const parameters = await Promise.all(gpu.map(parametersOf));
      for (const other of parameters) assert.deepEqual(other, parameters[0]);
      assertEqualWithin(parameters[0]!, await parametersOf(host[0]!));
    });

  test("losses and correct answers are those of the host, however many steps are under way", async () => {
    const settings = { ...even, algorithm: "local-sgd", syncEvery: STEPS_PER_EPOCH } as const;
    const outcomes = async (createDevice: () => Promise<Device>) => {
      const crew = await openCrew({ ...settings, createDevice });
      return (await Promise.all(crew.map((member) => member.run(0, 2 * STEPS_PER_EPOCH))))[0]!;
    };
    const [gpu, host] = [await outcomes(createGpu), await outcomes(() => createWasmDevice())];
    assert.deepEqual(gpu.map(Boolean), host.map(Boolean));
    gpu.forEach((outcome, step) => {
      if (outcome === undefined) return;
      const expected = host[step]!;
      assert.ok(Math.abs(outcome.loss / expected.loss - 1) < TOLERANCE);
      assert.deepEqual([outcome.samples, outcome.correct], [expected.samples, expected.correct]);
    });
  });

  test("evaluates and predicts as the host does, alone and between steps", async () => {
    const [[host], [gpu]] = [
      await trainCrew({ ...even, batchNorm: true, createDevice: () => createWasmDevice() }),
      await trainCrew({ ...even, batchNorm: true, createDevice: createGpu }),
    ];
    const x = Float32Array.from({ length: 8 * 6 }, (_, i) => Math.sin(i));
    const labels = Float32Array.from({ length: 8 }, (_, i) => i % 2);
    const of = async ({ replica }: Member) => {
      const { loss, correct } = await replica.runEvaluation({
        count: 8,
        x,
        labels,
        step: 0,
        sampleOffset: 0,
      });
      return Float32Array.of(loss, correct, ...(await replica.runPrediction(8, x)));
    };
    const before = await of(gpu!);
    assertEqualWithin(before, await of(host!));
    await gpu!.replica.applyUpdate(new Float32Array(8));
    assert.deepEqual(await of(gpu!), before);
  });

  test("a state taken on the host goes on on a GPU as it would have there", async () => {
    const settings = {
      algorithm: "local-sgd",
      syncEvery: 2,
      batchNorm: true,
      optimizer: "momentum",
    } as const;
    const whole = await trainCrew({ ...settings, createDevice: () => createWasmDevice() });
    const first = await trainCrew({ ...settings, createDevice: () => createWasmDevice() }, STEPS_PER_EPOCH);
    const states = await Promise.all(first.map(stateOf));
    const second = await openCrew({ ...settings, createDevice: createGpu });
    second.forEach((member, rank) => member.algorithm.restore(states[rank]!));
    await Promise.all(second.map((member) => member.run(STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH)));
    assertEqualWithin(await parametersOf(second[0]!), await parametersOf(whole[0]!));
  });
});
