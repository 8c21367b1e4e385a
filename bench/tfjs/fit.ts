// `node bench/tfjs/fit.ts`: samples per second of tfjs-layers' model.fit for LeNet-5, on tf.js's backends and with
// `sltrain/tfjs`. Each in a process of its own, for one of them sets a flag of the process.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { registerKernels } from "../../src/tfjs/index.ts";
import { completeTfjsCore } from "../peers/tfjs-core.ts";
import { useTfjsWasm } from "../peers/tfjs-wasm.ts";
import { lenet5, loadTfLayers } from "./layers.ts";

interface Contender {
  readonly backend: "cpu" | "wasm";
  readonly register?: () => Promise<void>;
  /** As many as take a few seconds. */
  readonly batches: number;
}

const BATCH_SIZE = 128;
const CLASSES = 10;
const contenders: Readonly<Record<string, Contender>> = {
  "tf.js, cpu": { backend: "cpu", batches: 1 },
  "tf.js, wasm": { backend: "wasm", batches: 100 },
  "sltrain/tfjs": { backend: "wasm", register: () => registerKernels(), batches: 100 },
  "sltrain/tfjs, revectorize": {
    backend: "wasm",
    register: () => registerKernels({ revectorize: true }),
    batches: 100,
  },
};

async function samplesPerS({ backend, register, batches }: Contender): Promise<number> {
  const tfLayers = await loadTfLayers();
  if (tfLayers === undefined) throw new Error("expected @tensorflow/tfjs-layers 4.22.0 to be installed");
  await completeTfjsCore();
  await register?.();
  await (backend === "wasm" ? useTfjsWasm() : tf.setBackend(backend));
  const model = lenet5(tfLayers);
  model.compile({ optimizer: "adam", loss: "categoricalCrossentropy" });
  const epochMs = async (count: number): Promise<number> => {
    const x = tf.randomNormal([count * BATCH_SIZE, 28, 28, 1]);
    const y = tf.oneHot(tf.randomUniform([count * BATCH_SIZE], 0, CLASSES, "int32"), CLASSES);
    const startMs = performance.now();
    await model.fit(x, y, { batchSize: BATCH_SIZE, epochs: 1, shuffle: false, verbose: 0 });
    return performance.now() - startMs;
  };
  // Compiles; but where a batch takes half a minute, the first one counts.
  if (batches > 1) await epochMs(2);
  return (batches * BATCH_SIZE) / ((await epochMs(batches)) / 1000);
}

const [name] = process.argv.slice(2);
if (name !== undefined) {
  console.log((await samplesPerS(contenders[name]!)).toFixed(0));
} else {
  console.log(`model.fit of LeNet-5, batches of ${BATCH_SIZE}, Adam`);
  for (const contender of Object.keys(contenders)) {
    const { stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), contender], {
      encoding: "utf8",
    });
    const error = stderr.split("\n").find((line) => line.includes("Error: "));
    const result = error ?? `${stdout.trim().split("\n").at(-1)} samples/s`;
    console.log(`${contender.padEnd(26)} ${result}`);
  }
}
