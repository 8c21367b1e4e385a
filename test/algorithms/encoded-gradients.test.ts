// Gradients are encoded on the GPU, so that no more bytes come back than are sent, and nobody sees another bit.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { bucketReadBacks, piecesIn } from "../../src/algorithms/encoded-gradients.ts";
import { buildTrainingStep } from "../../src/algorithms/training-memory.ts";
import type { Collective } from "../../src/allreduce/collective.ts";
import type { Device, Program, Step } from "../../src/device/device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { ENCODED_GRADIENTS, withEncodedGradients } from "../../src/graph/encode-gradients.ts";
import { Composer, dense } from "../../src/models/compose.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";
import { type CrewSettings, openCrew, parametersOf, STEPS_PER_EPOCH } from "./crew.ts";

const FLOAT_BYTES = 4;
const STEPS = STEPS_PER_EPOCH;

const opened: Device[] = [];
after(() => opened.forEach((device) => device.destroy()));

/** Bytes of the gradients that runs read back. */
interface Counted {
  readonly device: Device;
  gradientBytes: number;
}

async function countedDevice(created: Promise<Device>): Promise<Counted> {
  const device = await created;
  opened.push(device);
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
  return {
    parameters: await Promise.all(crew.map(parametersOf)),
    bytes: (await Promise.all(counted)).map(({ gradientBytes }) => gradientBytes / STEPS),
    sumsBytes: crew[0]!.replica.parameters.length * FLOAT_BYTES,
  };
}

const encodedByTheHost = (collective: Collective): Collective =>
  Object.defineProperty(Object.create(collective) as Collective, "ownPieces", { value: [] });

describe("on a GPU", needsGpu, () => {
  const cases: Readonly<Record<string, CrewSettings>> = {
    "a bucket for each layer": {},
    "one bucket, which is cut": { bucketBytes: 1 << 20 },
    "statistics, which are not encoded": { bucketBytes: 1 << 20, batchNorm: true },
    "three ranks": { bucketBytes: 1 << 20, worldSize: 3, rows: 75, batchSize: 15 },
  };
  for (const [name, settings] of Object.entries(cases))
    test(`gradients that the GPU encodes train the same bits as those that the host encodes: ${name}`, async () => {
      const byGpu = await trained(createTestGpu, settings);
      const byHost = await trained(createTestGpu, { ...settings, wrapCollective: encodedByTheHost });
      assert.deepEqual(byGpu.parameters, byHost.parameters);
      const { sumsBytes } = byGpu;
      assert.deepEqual(
        byHost.bytes,
        byHost.bytes.map(() => sumsBytes),
      );
      for (const bytes of byGpu.bytes) assert.ok(bytes > sumsBytes / 2 && bytes < sumsBytes, `${bytes}`);
    });

  test("half the bytes come back to a rank that sends all, and all to the one that adds them up", async () => {
    const { bytes, sumsBytes } = await trained(createTestGpu, { reduce: "all-reduce" });
    assert.deepEqual(bytes, [sumsBytes, sumsBytes / 2]);
  });

  test("other codecs get what the GPU computed", async () => {
    const { bytes, sumsBytes } = await trained(createTestGpu, { gradientCodec: "int8" });
    assert.deepEqual(bytes, [sumsBytes, sumsBytes]);
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
