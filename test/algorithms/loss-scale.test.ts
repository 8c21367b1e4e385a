// Loss scaling: what it does to numbers, to a round of two ranks of which one overflows, and to whole runs. That kernels
// round to f16 is tested on a GPU.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { LossScale } from "../../src/algorithms/loss-scale.ts";
import type { Device } from "../../src/device/device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { createWebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { needsGpu, testAdapter } from "../support/gpu.ts";
import {
  type CrewSettings,
  type Member,
  openCrew,
  parametersOf,
  stateOf,
  STEPS_PER_EPOCH,
  trainCrew,
} from "./crew.ts";

const scaled: CrewSettings = { algorithm: "ga-sgd", scalesLoss: true, worldSize: 2, rows: 80, batchSize: 16 };
const { scalesLoss: _, ...plain } = scaled;

function scaleOf(state: { shared: Readonly<Record<string, Float32Array | Int32Array>> }): number[] {
  return [...state.shared["loss-scale"]!];
}

/** Every rank begins with its initial parameters and this scale. */
async function crewAt(scale: number, settings = scaled): Promise<Member[]> {
  const crew = await openCrew(settings);
  for (const member of crew) {
    const { shared, own } = await stateOf(member);
    member.algorithm.restore({ shared: { ...shared, "loss-scale": Float32Array.of(scale, 0) }, own });
  }
  return crew;
}

describe("LossScale", () => {
  test("takes itself off gradients without an error, and zeros those that are not finite", () => {
    const lossScale = new LossScale();
    const values = [1.2345678, -3e-5, 0, 7e8].map(Math.fround);
    const gradients = Float32Array.from(values, (value) => value * lossScale.scale);
    assert.equal(lossScale.unscale(gradients), true);
    assert.deepEqual([...gradients], values);
    for (const bad of [Infinity, -Infinity, NaN]) {
      gradients.set([1, bad, 2, 3]);
      assert.equal(lossScale.unscale(gradients), false);
      assert.deepEqual([...gradients], [0, 0, 0, 0]);
    }
  });

  test("is halved by an overflow and doubled after 2000 good steps in a row, up to a bound", () => {
    const lossScale = new LossScale();
    const first = lossScale.scale;
    const good = (steps: number) => {
      for (let step = 0; step < steps; step++) lossScale.follow(0);
    };
    good(1999);
    lossScale.follow(1);
    assert.equal(lossScale.scale, first / 2);
    good(1999);
    assert.equal(lossScale.scale, first / 2);
    good(1);
    assert.equal(lossScale.scale, first);
    good(2000 * 30);
    assert.equal(lossScale.scale, 2 ** 24);
  });

  test("blames the gradients where they overflow without it", () => {
    const lossScale = new LossScale();
    while (lossScale.scale > 1) lossScale.follow(2);
    assert.throws(() => lossScale.follow(1), { code: "gradients-not-finite" });
  });
});

describe("training with a scaled loss", () => {
  for (const [name, settings] of Object.entries({
    "momentum and a bucket for each layer": {},
    "adam, statistics and one bucket": { optimizer: "adam", batchNorm: true, bucketBytes: 1 << 20 },
  } satisfies Record<string, CrewSettings>))
    test(`gives the bits of training without, with ${name}`, async () => {
      const [with_, without] = [
        await trainCrew({ ...scaled, ...settings }),
        await trainCrew({ ...plain, ...settings }),
      ];
      const expected = await parametersOf(without[0]!);
      for (const member of with_) assert.deepEqual(await parametersOf(member), expected);
    });

  test("skips steps that overflow on all ranks alike, until the scale is small enough", async () => {
    const crew = await crewAt(2 ** 127);
    const before = await parametersOf(crew[0]!);
    const outcomes = await Promise.all(crew.map((member) => member.run(0, 1)));
    assert.ok(Number.isFinite(outcomes[0]![0]!.loss));
    for (const [outcome] of outcomes) assert.equal(outcome!.skipped, true);
    for (const member of crew) {
      assert.deepEqual(await parametersOf(member), before);
      assert.deepEqual(scaleOf(await stateOf(member)), [2 ** 126, 0]);
    }
    const later = await Promise.all(crew.map((member) => member.run(1, 2 * STEPS_PER_EPOCH)));
    assert.deepEqual(
      later[0]!.map((outcome) => outcome!.skipped),
      later[1]!.map((outcome) => outcome!.skipped),
    );
    assert.equal(later[0]!.at(-1)!.skipped, false);
    const [first, second] = await Promise.all(
      crew.map(async (m) => [await parametersOf(m), scaleOf(await stateOf(m))]),
    );
    assert.deepEqual(second, first);
    assert.notDeepEqual(first![0], before);
    assert.ok((first![1] as number[])[1]! > 0, "no good step");
  });

  test("goes on from a state, with the scale in it, as it would have", async () => {
    const begin = async () => crewAt(2 ** 127);
    const whole = await begin();
    await Promise.all(whole.map((member) => member.run(0, 2 * STEPS_PER_EPOCH)));
    const stopped = await begin();
    await Promise.all(stopped.map((member) => member.run(0, STEPS_PER_EPOCH)));
    const states = await Promise.all(stopped.map(stateOf));
    const resumed = await openCrew(scaled);
    resumed.forEach((member, rank) => member.algorithm.restore(states[rank]!));
    await Promise.all(resumed.map((member) => member.run(STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH)));
    for (const [rank, member] of resumed.entries())
      assert.deepEqual(await stateOf(member), await stateOf(whole[rank]!));
  });
});

describe("training in f16 on a GPU", needsGpu, () => {
  const opened: Device[] = [];
  after(() => opened.forEach((device) => device.destroy()));
  const createDevice = async (): Promise<Device> => {
    const device = await createWebGpuDevice(await testAdapter(), { precision: "f16" });
    opened.push(device);
    return device;
  };
  /** Large enough for tiles, which round; smaller products are computed in f32. */
  const large = { worldSize: 2, rows: 64, batchSize: 64, units: 512 };
  /** Of the largest parameter, after five steps with products of 11 bits. */
  const TOLERANCE = 5e-3;

  test("ends near training in f32, with equal ranks, and neither skips nor rounds nothing", async () => {
    const crew = await trainCrew({ ...scaled, ...large, createDevice }, STEPS_PER_EPOCH);
    const onHost = { ...plain, ...large, createDevice: () => createWasmDevice() };
    const host = await trainCrew(onHost, STEPS_PER_EPOCH);
    const [got, expected] = [await parametersOf(crew[0]!), await parametersOf(host[0]!)];
    assert.deepEqual(await parametersOf(crew[1]!), got);
    const most = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const error = most(got.map((value, i) => value - expected[i]!)) / most(expected);
    assert.ok(error < TOLERANCE && error > 1e-6, `off by ${error}`);
    assert.equal(scaleOf(await stateOf(crew[0]!))[1], STEPS_PER_EPOCH);
  });

  test("with gradients that the GPU rounds to bf16 gives the bits of an unscaled loss, and sees an overflow", async () => {
    const onGpu = { gradientCodec: "bf16", createDevice };
    const [with_, without] = [
      await crewAt(2 ** 10, { ...scaled, ...onGpu }),
      await openCrew({ ...plain, ...onGpu }),
    ];
    await Promise.all([...with_, ...without].map((member) => member.run(0, STEPS_PER_EPOCH)));
    assert.deepEqual(await parametersOf(with_[0]!), await parametersOf(without[0]!));
    const [overflowing, other] = await crewAt(2 ** 127, { ...scaled, ...onGpu });
    await Promise.all([overflowing!, other!].map((member) => member.run(0, 1)));
    for (const member of [overflowing!, other!])
      assert.deepEqual(scaleOf(await stateOf(member)), [2 ** 126, 0]);
  });

  test("skips a step whose gradients overflow in f16 though f32 would hold them", async () => {
    const crew = await crewAt(2 ** 24, { ...scaled, ...large, createDevice });
    const host = await crewAt(2 ** 24, { ...scaled, ...large, createDevice: () => createWasmDevice() });
    const before = await parametersOf(crew[0]!);
    await Promise.all([...crew, ...host].map((member) => member.run(0, 1)));
    assert.deepEqual(scaleOf(await stateOf(host[0]!)), [2 ** 24, 1]);
    for (const member of crew) {
      assert.deepEqual(scaleOf(await stateOf(member)), [2 ** 23, 0]);
      assert.deepEqual(await parametersOf(member), before);
    }
  });
});
