import assert from "node:assert/strict";
import { test } from "node:test";
import type { BenchReport, BenchRow } from "../../bench/kernels/bench-kernels.ts";
import { bar, html, page, trackEnd } from "../../bench/report/html.ts";
import { kernelsPage } from "../../bench/report/kernels-page.ts";
import { stepsPage } from "../../bench/report/steps-page.ts";
import type { StepsReport } from "../../bench/steps/bench-steps.ts";

const head = {
  date: "2026-11-23T00:00:00.000Z",
  commit: "abc1234",
  machine: { cpu: "A <fast> CPU", cores: 2, node: "24.0.0", v8: "13", tile: "6x16" },
  peak: {
    fma128Gflops: 50,
    fma256Gflops: 100,
    memoryGBs: 20,
    bandwidths: [{ workingSetBytes: 1e9, gbPerS: 20 }],
  },
};

const row: BenchRow = {
  op: "conv2d",
  device: "wasm",
  shape: "1x2x3x4 3x3x4x5",
  params: {},
  direction: "forward",
  models: ["lenet5"],
  kernel: "f32-conv2d-winograd-wasm",
  correct: true,
  error: 1e-6,
  ...{ medianMs: 1, minMs: 1, maxMs: 2, spread: 0.1, limitMs: 1.6, bound: "compute" },
  ...{ gflops: 160, effective: true, gbPerS: 2, peakFraction: 1.6, limitFraction: 1.6 },
  ...{ tfjsMs: 16, tfjsGflops: 10, vsTfjs: 16 },
};

test("text in a page is escaped, markup is not", () => {
  const text = page("a < b", ['"c" & d'], [html`<p>${"<script>"}</p>`]);
  assert.match(text, /<title>a &#60; b<\/title>/);
  assert.match(text, /&#34;c&#34; &#38; d/);
  assert.match(text, /<p>&#60;script&#62;<\/p>/);
});

test("a bar ends with its track, and the line at 1 lies on it", () => {
  const { html: markup } = bar({ share: 5, end: 2, kind: "compute", peerShare: 0.5, label: "500%" });
  assert.match(markup, /width:100\.00%/);
  assert.match(markup, /class="peer" style="left:25\.00%"/);
  assert.match(markup, /left:50\.00%/);
  assert.equal(trackEnd([0.3], 2), 1.1);
  assert.equal(trackEnd([1.3, 0.2], 2), 1.5);
  assert.equal(trackEnd([7], 2), 2);
});

test("the kernels' page shows each row in its family, effective rates as such, and wrong results instead of a bar", () => {
  const report: BenchReport = {
    ...head,
    rows: [row, { ...row, op: "dense", correct: false, error: 0.5 }],
    skipped: [],
  };
  const text = kernelsPage(report);
  assert.match(text, /<h2>Convolution<\/h2>/);
  assert.match(text, /<h2>Products<\/h2>/);
  assert.doesNotMatch(text, /<h2>Pooling<\/h2>/);
  assert.match(text, /class="fill effective"/);
  assert.match(text, /wrong by 5\.0e-1/);
  assert.match(text, /A &#60;fast&#62; CPU/);
  assert.doesNotMatch(text, /NaN|undefined|<script|https?:/);
});

test("the steps' page compares with the peers that ran, and leaves out those that did not", () => {
  const report: StepsReport = {
    ...head,
    torch: { torch: "1.13", threads: 1, blas: "OpenBLAS", oneDnn: true },
    rows: [
      {
        ...{ model: "lenet5", device: "wasm", batchSize: 128, threads: 1, parameters: 61_706 },
        ...{ samplesPerS: 40_000, medianMs: 3.2, minMs: 3, maxMs: 4, spread: 0.1, arenaBytes: 1e6 },
        ...{ gflops: 50, peakFraction: 0.5, tfjsSamplesPerS: null, vsTfjs: null },
        ...{ gradientError: null, correct: true },
        ...{ torchSamplesPerS: 10_000, vsTorch: 4, vsTorchBest: 4.1 },
      },
    ],
    lacking: [],
  };
  const text = stepsPage(report);
  assert.match(text, /Against PyTorch/);
  assert.match(text, /4\.00 ×/);
  assert.doesNotMatch(text, /Against tf\.js/);
});
