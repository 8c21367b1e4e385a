// The tf.js peer of `sltrain bench steps`: the same training steps with tf.core's ops, its gradients and its SGD on the
// wasm or the webgpu backend, in a process with V8's default flags. Speaks peer-process.ts's lines (see steps/peer-steps.ts). A model
// that needs a kernel which the backend lacks is "unsupported".

import { createInterface } from "node:readline";
import * as tf from "@tensorflow/tfjs-core";
import type { Run } from "../steps/contender.ts";
import type { StepAnswer, StepRequest } from "../steps/peer-steps.ts";
import { completeTfjsCore } from "./tfjs-core.ts";
import { Unsupported, modelOf } from "./tfjs-layers.ts";
import { useTfjsBackend } from "./use-tfjs-backend.ts";

type Request = ({ do: "prepare" } & StepRequest) | { do: "run"; budgetMs: number; minSteps: number };
const LR = 0.01;

/** One step; returns the loss, which the caller disposes of. */
function prepare({ topology, loss, batchSize }: StepRequest): () => tf.Scalar {
  const x = tf.randomNormal([batchSize, ...topology.inputShape]);
  const model = modelOf(topology, x);
  const outputs = model(x).shape.at(-1)!;
  const lossOf = (): tf.Scalar => {
    const logits = model(x);
    if (loss === "softmax-cross-entropy") return tf.losses.softmaxCrossEntropy(truth, logits);
    if (loss === "sigmoid-cross-entropy") return tf.losses.sigmoidCrossEntropy(truth, logits);
    throw new Unsupported(`loss ${loss}`);
  };
  const truth =
    loss === "softmax-cross-entropy"
      ? tf.cast(tf.oneHot(tf.randomUniform([batchSize], 0, outputs, "int32"), outputs), "float32")
      : tf.cast(tf.randomUniform([batchSize, outputs], 0, 2, "int32"), "float32");
  const optimizer = tf.train.sgd(LR);
  return () => optimizer.minimize(lossOf, true)!;
}

async function run(
  step: () => tf.Scalar,
  stepsAtOnce: number,
  { budgetMs, minSteps }: { readonly budgetMs: number; readonly minSteps: number },
): Promise<Run> {
  const timesMs: number[] = [];
  const losses: number[] = [];
  let beganMs = performance.now();
  const endMs = beganMs + budgetMs;
  while (timesMs.length < minSteps || beganMs < endMs) {
    // The first loss is that of one step.
    const steps = timesMs.length === 0 ? 1 : stepsAtOnce;
    for (let i = 1; i < steps; i++) tf.tidy(step).dispose();
    const loss = tf.tidy(step);
    losses.push((await loss.data())[0]!);
    loss.dispose();
    const nowMs = performance.now();
    timesMs.push((nowMs - beganMs) / steps);
    beganMs = nowMs;
  }
  return { timesMs, losses: [losses[0]!, losses.at(-1)!] };
}

await completeTfjsCore();
await useTfjsBackend(process.argv.slice(2));
const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ tfjs: tf.version_core });
let step: (() => tf.Scalar) | undefined;
let stepsAtOnce = 1;
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (request.do === "run") {
    say(await run(step!, stepsAtOnce, request));
    continue;
  }
  tf.disposeVariables();
  let answer: StepAnswer;
  try {
    step = prepare(request);
    stepsAtOnce = request.stepsAtOnce;
    tf.tidy(step).dispose();
    const variables = Object.values(tf.engine().registeredVariables).filter(({ trainable }) => trainable);
    answer = { parameters: variables.reduce((sum, { size }) => sum + size, 0) };
  } catch (error) {
    // "Kernel 'X' not registered for backend 'X'": what tfjs lacks is a result.
    const { message } = error as Error;
    const isLack = error instanceof Unsupported || /not registered/.test(message);
    if (!isLack) throw error;
    answer = { unsupported: message };
  }
  say(answer);
}
