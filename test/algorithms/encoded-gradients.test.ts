// Gradients are encoded on the GPU, so that no more bytes come back than are sent, and nobody sees another bit.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bucketReadBacks, piecesIn } from "../../src/algorithms/encoded-gradients.ts";
import { buildTrainingStep } from "../../src/algorithms/training-memory.ts";
import type { Collective } from "../../src/allreduce/collective.ts";
import type { Device, Program, Step } from "../../src/device/device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { ENCODED_GRADIENTS, withEncodedGradients } from "../../src/graph/encode-gradients.ts";
import { Composer, dense } from "../../src/models/compose.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";
import { durableState, restoreState } from "../../src/worker/durable-state.ts";
import { type CrewSettings, openCrew, parametersOf, STEPS_PER_EPOCH } from "./crew.ts";

type Crew = Awaited<ReturnType<typeof openCrew>>;

const FLOAT_BYTES = 4;
const STEPS = STEPS_PER_EPOCH;

/** Bytes of the gradients that runs read back. */
interface Counted {
  readonly device: Device;
  gradientBytes: number;
}

async function countedDevice(created: Promise<Device>): Promise<Counted> {
  const device = await created;
  const counted: Counted = {
    gradientBytes: 0,
    device: Object.assign(Object.create(device) as Device, {
      async compile(...args: Parameters<Device["compile"]>): Promise<Step> {
        const step = await device.compile(...args);
        return {
          ...step,
          run(options) {
            for (const { vector, begin, end } of options?.readBacks ?? [])
              if (vector.label.startsWith("gradients")) counted.gradientBytes += (end - begin) * FLOAT_BYTES;
            return step.run(options);
          },
        };
      },
    }),
  };
  return counted;
}

/** The ranks' parameters after some steps, and what each read back of a step's gradients. */
async function trained(create: () => Promise<Device>, settings: CrewSettings) {
  /** By rank: each asks for its device at once. */
  const counted: Promise<Counted>[] = [];
  const createDevice = async () => {
    const one = countedDevice(create());
    counted.push(one);
    return (await one).device;
  };
  const crew = await openCrew({
    ...{ rows: 80, batchSize: 16, worldSize: 2, algorithm: "ga-sgd", gradientCodec: "bf16" },
    ...settings,
    createDevice,
  });
  await Promise.all(crew.map((member) => member.run(0, STEPS)));
  const parameters = await Promise.all(crew.map(parametersOf));
  const devices = await Promise.all(counted);
  // Mesa's lavapipe does not bear dozens of devices at a time.
  for (const { device } of devices) device.destroy();
  return {
    parameters,
    bytes: devices.map(({ gradientBytes }) => gradientBytes / STEPS),
    sumsBytes: crew[0]!.replica.parameters.length * FLOAT_BYTES,
  };
}

const encodedByTheHost = (collective: Collective): Collective =>
  Object.defineProperty(Object.create(collective) as Collective, "ownPieces", { value: [] });

describe("on a GPU", needsGpu, () => {
  const cases: Readonly<Record<string, CrewSettings>> = {
    "bf16, a bucket for each layer": {},
    "bf16, one bucket, which is cut, and statistics, which are not encoded": {
      ...{ bucketBytes: 1 << 20, batchNorm: true },
    },
    "bf16, three ranks": { bucketBytes: 1 << 20, worldSize: 3, rows: 75, batchSize: 15 },
    "fp16, a bucket for each layer": { gradientCodec: "fp16" },
    "fp16, of a scaled loss": { gradientCodec: "fp16", scalesLoss: true },
    "int8, a bucket for each layer": { gradientCodec: "int8" },
    "int8, one bucket, which is cut": { gradientCodec: "int8", bucketBytes: 1 << 20 },
    "top-k, and a rank without samples in the last step": {
      gradientCodec: "top-k:20%",
      rows: 65,
      bucketBytes: 1 << 20,
    },
  };
  for (const [name, settings] of Object.entries(cases))
    test(`gradients that the GPU encodes train the same bits as those that the host encodes: ${name}`, async () => {
      const byGpu = await trained(createTestGpu, settings);
      const byHost = await trained(createTestGpu, { ...settings, wrapCollective: encodedByTheHost });
      assert.deepEqual(byGpu.parameters, byHost.parameters);
      const { sumsBytes } = byGpu;
      assert.equal(Math.max(...byHost.bytes), sumsBytes);
      // Of half of the sums that its peer adds up, each rank gets no more than is sent.
      const most = { bf16: 0.75, fp16: 0.8, int8: 0.65, "top-k:20%": 0.65 }[
        settings.gradientCodec ?? "bf16"
      ]!;
      for (const bytes of byGpu.bytes) assert.ok(bytes <= most * sumsBytes, `${bytes} of ${sumsBytes}`);
    });

  test("what comes back to a rank that sends all is what it sends, and all to the one that adds them up", async () => {
    const { bytes, sumsBytes } = await trained(createTestGpu, { reduce: "all-reduce" });
    assert.deepEqual(bytes, [sumsBytes, sumsBytes / 2]);
  });

  test("a codec without words gets what the GPU computed, and so does int8 where the host has to scale it", async () => {
    for (const settings of [{ gradientCodec: "sign" }, { gradientCodec: "int8", scalesLoss: true }]) {
      const { bytes, sumsBytes } = await trained(createTestGpu, settings);
      assert.deepEqual(bytes, [sumsBytes, sumsBytes]);
    }
  });

  test("residuals are in the state, whoever has kept them, and go on on either side", async () => {
    const settings: CrewSettings = {
      ...{ rows: 80, batchSize: 16, worldSize: 2, gradientCodec: "top-k:10%", createDevice: createTestGpu },
    };
    const byHost: CrewSettings = { ...settings, wrapCollective: encodedByTheHost };
    const crews = await Promise.all([settings, byHost, byHost, settings].map(openCrew));
    const run = (crew: Crew, begin: number, end: number) =>
      Promise.all(crew.map((member) => member.run(begin, end)));
    const statesOf = (crew: Crew) =>
      Promise.all(
        crew.map(async ({ algorithm, collective }) =>
          structuredClone(await durableState(algorithm, collective)),
        ),
      );
    const [gpu, host, fromGpu, fromHost] = crews as [Crew, Crew, Crew, Crew];
    await Promise.all([run(gpu, 0, 3), run(host, 0, 3)]);
    const states = await statesOf(gpu);
    assert.deepEqual(states, await statesOf(host));
    for (const [i, state] of states.entries())
      for (const crew of [fromGpu, fromHost])
        restoreState(crew[i]!.algorithm, crew[i]!.collective, structuredClone(state));
    await Promise.all([run(gpu, 3, 5), run(fromGpu, 3, 5), run(fromHost, 3, 5)]);
    const after = await statesOf(gpu);
    assert.ok(after.every(({ own }) => Object.values(own).some((values) => values.some(Boolean))));
    assert.deepEqual(await statesOf(fromGpu), after);
    assert.deepEqual(await statesOf(fromHost), after);
  });

  test("int8 trains a GPU as it trains a host, but for the order of sums", async () => {
    const [gpu, host] = await Promise.all(
      [createTestGpu, () => createWasmDevice()].map((create) => trained(create, { gradientCodec: "int8" })),
    );
    gpu!.parameters[0]!.forEach((value, i) => {
      const expected = host!.parameters[0]![i]!;
      // A sum that differs in its last bit may be rounded to the next of 127 integers.
      assert.ok(Math.abs(value - expected) < 2e-3, `[${i}] is ${value}, not ${expected}`);
    });
  });
});

test("a device whose memory is the host's encodes nothing beforehand", async () => {
  const { bytes, sumsBytes } = await trained(() => createWasmDevice(), {});
  assert.deepEqual(bytes, [sumsBytes, sumsBytes]);
});

test("each piece is encoded right behind the last gradient that it has a part of", () => {
  const composer = new Composer();
  composer.add(dense(70, "relu"));
  composer.add(dense(1));
  const topology = composer.topology("two", [3]);
  const plain = buildTrainingStep({ topology, loss: "mean-squared-error" }, 4);
  const { entries, length } = plain.parameters;
  const [first, last] = [
    { begin: 0, end: entries[1]!.offset + 64, codec: "bf16" },
    { begin: entries[3]!.offset, end: length, codec: "bf16" },
  ];
  const { program, plan, gradientReadyAt } = withEncodedGradients(plain, [first, last]);
  const added = program.instructions.flatMap(({ op, inputs }, index) =>
    op.name === "bf16-encode" ? [{ index, begin: beginOf(program, inputs[0]!) }] : [],
  );
  assert.deepEqual(
    added.map(({ begin }) => begin).toSorted((a, b) => a - b),
    [first.begin, last.begin],
  );
  const behind = (begin: number) => added.find((one) => one.begin === begin)!.index;
  assert.equal(Math.max(gradientReadyAt[0]!, gradientReadyAt[1]!), behind(first.begin));
  assert.equal(gradientReadyAt[3], behind(last.begin));
  assert.deepEqual(
    program.instructions.filter(({ op }) => op.name !== "bf16-encode"),
    plain.program.instructions,
  );
  assert.equal(plan.offsets.length, program.values.length);
  assert.equal(program.vectors[ENCODED_GRADIENTS], length);
});

function beginOf({ values }: Program, id: number): number {
  const { place } = values[id]!;
  assert.ok(place.kind === "vector" && place.vector === "gradients");
  return place.offset;
}

test("a bucket comes back whole: its pieces as words, what lies between them as it is", () => {
  const pieces = [
    { begin: 0, end: 64, codec: "bf16" },
    { begin: 128, end: 192, codec: "bf16" },
    { begin: 256, end: 448, codec: "int8" },
  ];
  const bucket = { begin: 64, end: 512 };
  const own = piecesIn(pieces, bucket);
  const ready = () => undefined;
  assert.deepEqual(own, pieces.slice(1));
  assert.deepEqual(bucketReadBacks(bucket, own, { after: 7, ready }), [
    { vector: ENCODED_GRADIENTS, after: 7, begin: 128, end: 160 },
    { vector: ENCODED_GRADIENTS, after: 7, begin: 256, end: 305 },
    { vector: "gradients", after: 7, begin: 64, end: 128 },
    { vector: "gradients", after: 7, begin: 192, end: 256 },
    { vector: "gradients", after: 7, begin: 448, end: 512, ready },
  ]);
});
