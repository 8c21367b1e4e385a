import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { TrainEvent } from "../../src/coordinator/events.ts";
import { SltrainError } from "../../src/errors.ts";
import { chooseView } from "../../src/ui/train-view.ts";

const started = {
  ...{ event: "run.started", runId: "owl", model: "mlp", data: "mnist", workers: 1, epochs: 3 },
  ...{ device: "wasm", gpus: [] },
  ...{ stepsPerEpoch: 36, batchSize: 256, samples: 9000, parameters: 407_050, optimizer: "adam", lr: 0.001 },
  ...{ algorithm: "ga-sgd", sync: "bsp", syncEvery: null, reduce: "scatter-reduce", compress: "bf16" },
  ...{ checkpointEverySteps: 50, maxFrameBytes: 2 ** 20 },
  ...{ storage: "fs:/mnt/runs", channel: "fs:/mnt/runs", provider: "local", seed: 1 },
  ...{ attempt: 0, epochsBefore: 0 },
} as const satisfies TrainEvent;

const epoch = {
  ...{ event: "epoch", epoch: 1, step: 36, loss: 0.5, trainAccuracy: 0.8, validationLoss: 0.25 },
  ...{
    accuracy: 0.964,
    learningRate: 0.001,
    gradientNorm: 1.5,
    samplesPerS: 9000,
    elapsedMs: 1000,
    lambdaCostUsd: 0.0031,
  },
  ...{
    gpuBusyMs: 0,
    dataMs: 0,
    computeMs: 500,
    exchangeMs: 300,
    waitMs: 200,
    bytesUp: 1,
    bytesDown: 1,
    requests: 1,
    requestsUsd: 0,
  },
} as const satisfies TrainEvent;

const unpriced = { spentUsd: null };

const regression = { ...epoch, trainAccuracy: null, accuracy: null };

/** A view, and the text that it has written so far without colours. */
function viewOn(json: boolean, terminal = false) {
  let written = "";
  const stream = {
    isTTY: terminal,
    columns: 80,
    write: (text: string) => ((written += text), true),
  } as unknown as NodeJS.WriteStream;
  return { view: chooseView(json, stream), text: () => stripVTControlCharacters(written) };
}

test("plain lines begin with what runs where, each within 80 columns", () => {
  const { view, text } = viewOn(false);
  view.show(started);
  assert.equal(
    text(),
    "owl\nmlp, 407,050 parameters, on mnist, 9,000 samples\n1 local worker through fs:/mnt/runs\n" +
      "batch 256, adam at 0.001, up to 3 epochs of 36 steps\n" +
      "ga-sgd: bf16 by scatter-reduce every step\n" +
      "a checkpoint every 50 steps, frames within 1.00 MiB\n",
  );
});

test("how and when numbers travel is said for every algorithm and protocol", () => {
  for (const [change, line] of [
    [{ algorithm: "local-sgd", syncEvery: "epoch" }, "local-sgd: bf16 by scatter-reduce once an epoch"],
    [{ algorithm: "diloco", syncEvery: 16 }, "diloco: bf16 by scatter-reduce every 16 steps"],
    [{ sync: "ssp:1" }, "ga-sgd: bf16 from each to all, at most 1 step apart"],
    [{ sync: "asp" }, "ga-sgd: bf16 from each to all"],
  ] as const) {
    const { view, text } = viewOn(false);
    view.show({ ...started, ...change });
    assert.equal(text().split("\n").at(-3), line);
  }
});

test("a row's figures end where their headers end, with one set of headers for all rows", () => {
  for (const [row, header] of [
    [epoch, "accuracy"],
    [regression, "val. loss"],
  ] as const) {
    const { view, text } = viewOn(false);
    [started, row, { ...row, epoch: 2 }].forEach((event) => view.show(event));
    const [headers, first, second, ...rest] = text().split("\n").slice(7);
    assert.deepEqual(rest, [""]);
    const column = headers!.indexOf(header) + header.length;
    assert.match(first!.slice(0, column), row.accuracy === null ? /0\.2500$/ : /96\.4%$/);
    assert.equal(headers!.length, first!.length);
    assert.equal(second!.length, first!.length);
  }
});

test("the live line shows the share of the epoch, also without colours", () => {
  const { view, text } = viewOn(false, true);
  view.show(started);
  assert.match(text(), /starting 1 local worker/);
  view.show({ event: "progress", epoch: 2, samples: 4500, loss: 0.5, ...unpriced });
  assert.match(text(), / 2\/3 {2}━{12}─{12} {2}50\.0% {2}loss 0\.5000/);
});

test("after the last epoch the live line counts no further epoch", () => {
  const { view, text } = viewOn(false, true);
  view.show(started);
  view.show({ event: "progress", epoch: 4, samples: 0, loss: 0, ...unpriced });
  assert.match(text(), /finishing/);
  assert.doesNotMatch(text(), /4\/3/);
});

test("a run on GPUs names them with their workers, and tells how busy they are", () => {
  const { view, text } = viewOn(false);
  const gpu = { index: 0, name: "Quick 9000", isSoftware: false, ranks: [0, 1] };
  const twin = { index: 1, name: "Slow", isSoftware: true, ranks: [2, 3] };
  view.show({ ...started, workers: 4, device: "webgpu", gpus: [gpu, twin] });
  assert.match(text(), /GPU 0, Quick 9000: workers 0, 1\nGPU 1, Slow \(software\): workers 2, 3\n/);
  // On each of the two GPUs two workers, each of which uses it for 150 ms of its 1,000.
  view.show({ ...epoch, gpuBusyMs: 150 });
  assert.match(text(), /wait {3}GPU busy\n/);
  assert.match(text(), /20% +30%\n$/);
});

test("Ctrl-C is answered, and whoever leaves is told how to resume", () => {
  const { view, text } = viewOn(false);
  view.show(started);
  view.interrupted(false);
  assert.match(text(), /stopping after this step/);
  view.interrupted(true);
  assert.match(text(), /sltrain train --run-id owl --storage fs:\/mnt\/runs\n$/);
});

test("JSON has one object per line: no progress, no notices, a failure with its code", () => {
  const { view, text } = viewOn(true);
  view.show(started);
  view.show({ event: "progress", epoch: 1, samples: 1, loss: 1, ...unpriced });
  view.interrupted(false);
  view.fail(new SltrainError({ code: "data-nan", message: "no number", suggestions: ["Fill it in."] }));
  const lines = text().trimEnd().split("\n");
  assert.deepEqual(JSON.parse(lines[0]!), started);
  assert.deepEqual(JSON.parse(lines[1]!), {
    event: "run.failed",
    code: "data-nan",
    message: "no number",
    suggestions: ["Fill it in."],
  });
  assert.equal(lines.length, 2);
});

test("an epoch's line tells of steps that were skipped for overflowing gradients, if there were any", () => {
  for (const [skippedSteps, told] of [
    [2, "2 steps skipped"],
    [1, "1 step skipped"],
  ] as const) {
    const { view, text } = viewOn(false);
    view.show(started);
    view.show({ ...epoch, skippedSteps });
    assert.match(text(), new RegExp(`${told} for gradients that overflowed`));
  }
  const { view, text } = viewOn(false);
  view.show(started);
  view.show({ ...epoch, skippedSteps: 0 });
  assert.doesNotMatch(text(), /skipped/);
});
