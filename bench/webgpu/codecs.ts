// `node bench/webgpu/codecs.ts [model [batch [steps]]]`: what comes back of a step's gradients where the GPU encodes them, and
// how long a step takes until they are encoded, beside the same step whose gradients come back as f32 and are encoded by the
// processor. The bench fails unless both give the same bytes. It is a rank that sends all, in one bucket. Without a GPU it
// runs on Mesa's lavapipe (docs/benches.md), whose times tell of a processor that plays one.

import { bucketReadBacks } from "../../src/algorithms/encoded-gradients.ts";
import type { Batch } from "../../src/algorithms/batch.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import type { VectorReadBack } from "../../src/algorithms/model-vectors.ts";
import { rowElements } from "../../src/data/dataset.ts";
import { findAdapter } from "../../src/device/webgpu/adapters.ts";
import { createWebGpuDevice } from "../../src/device/webgpu/webgpu-device.ts";
import { assert } from "../../src/errors.ts";
import {
  ENCODED_GRADIENTS,
  type GradientPiece,
  ROUNDING_SEEDS,
  roundsStochastically,
} from "../../src/graph/encode-gradients.ts";
import { defaultLoss } from "../../src/models/build.ts";
import { RandomStream } from "../../src/random.ts";
import { bitsOf } from "../../src/shard/codec/blocks.ts";
import { type Encoded, roomFor } from "../../src/shard/codec/codec.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { encodeWithFeedback } from "../../src/shard/error-feedback.ts";
import { drawTable } from "../../src/ui/table.ts";
import { formatDuration } from "../../src/units.ts";
import { findExample } from "../shapes/model-examples.ts";
import { median } from "../statistics.ts";

const CODECS = ["f32", "bf16", "fp16", "int8", "top-k:10%", "top-k:1%"];
const FLOAT_BYTES = 4;
const SEED = 7;

const [model = "lenet5", batchSize = "32", steps = "10"] = process.argv.slice(2);
const { topology } = findExample(model);
const { adapter } = await findAdapter(process.env["SLTRAIN_ADAPTER"]);
const device = await createWebGpuDevice(adapter);

function randomBatch(count: number, classes: number): Batch {
  const random = new RandomStream(SEED, "bench:codecs");
  return {
    ...{ count, step: 0, sampleOffset: 0 },
    x: Float32Array.from({ length: count * rowElements(topology.inputShape) }, () => random.nextNormal()),
    labels: Int32Array.from({ length: count }, () => random.nextInt(classes)),
  };
}

interface Measured {
  readonly readBackBytes: number;
  readonly stepMs: number;
  /** Of the last step. */
  readonly encoded: Encoded;
}

/** Each step's gradients are the same; of a biased codec the residuals are not. */
async function measure(name: string, where: "gpu" | "processor"): Promise<Measured> {
  const codec = parseCodec(name);
  const replica = new Replica({ device, topology, loss: defaultLoss(topology), seed: SEED });
  const { length } = replica.parameters;
  const pieces: readonly GradientPiece[] = where === "gpu" ? [{ begin: 0, end: length, codec: name }] : [];
  const { gradientReadyAt } = await replica.training(Number(batchSize), { pieces });
  const gradients = replica.mirror("gradients");
  const room = roomFor(codec, length);
  const residual = new Float32Array(length);
  const encode = (): Encoded => {
    if (where === "gpu")
      return codec.words!.toEncoded(bitsOf(replica.mirror(ENCODED_GRADIENTS)), length, room);
    return codec.biased
      ? encodeWithFeedback(codec, gradients, residual, room, SEED)
      : codec.encode(gradients, room, SEED);
  };
  if (where === "gpu" && roundsStochastically(name)) replica.write(ROUNDING_SEEDS, Int32Array.of(SEED));
  const batch = randomBatch(Number(batchSize), 10);
  const times: number[] = [];
  let readBacks: VectorReadBack[] = [];
  let encoded: Encoded | undefined;
  // The first compiles.
  for (let step = 0; step <= Number(steps); step++) {
    const beganMs = performance.now();
    const ready = (): void => void (encoded = encode());
    const after = Math.max(...gradientReadyAt);
    readBacks = bucketReadBacks({ begin: 0, end: length }, pieces, { after, ready });
    await replica.runTraining(batch, readBacks, { pieces });
    if (step > 0) times.push(performance.now() - beganMs);
  }
  const readBackBytes = readBacks.reduce((sum, { begin, end }) => sum + (end - begin) * FLOAT_BYTES, 0);
  return { readBackBytes, stepMs: median(times), encoded: encoded! };
}

const isEqual = (a: Encoded, b: Encoded): boolean =>
  Buffer.compare(a.rest, b.rest) === 0 && Buffer.compare(a.compressible, b.compressible) === 0;

const rows = [];
let f32Bytes = 0;
for (const name of CODECS) {
  const byProcessor = await measure(name, "processor");
  f32Bytes ||= byProcessor.readBackBytes;
  const byGpu = parseCodec(name).words && (await measure(name, "gpu"));
  assert(byGpu === undefined || isEqual(byGpu.encoded, byProcessor.encoded), `${name} has equal bytes`);
  const { readBackBytes, stepMs } = byGpu ?? byProcessor;
  rows.push([
    name,
    String(readBackBytes),
    (readBackBytes / f32Bytes).toFixed(3),
    byGpu ? formatDuration(stepMs) : "-",
    formatDuration(byProcessor.stepMs),
  ]);
}
device.destroy();

const right = { align: "right" } as const;
console.log(`${model}, batch ${batchSize}, on ${adapter.info.device || adapter.info.description}`);
console.log(
  drawTable(
    [
      { header: "codec", whole: true },
      { header: "bytes back a step", ...right },
      { header: "× f32", ...right },
      { header: "step, GPU encodes", ...right },
      { header: "step, processor encodes", ...right },
    ],
    rows,
  ),
);
