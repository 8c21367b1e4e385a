// How `sltrain train` shows a run: a live line under growing rows on a terminal, plain lines elsewhere, JSON lines for
// programs. A view only formats events; it knows nothing of how a run works.

import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import type { TrainEvent } from "../coordinator/events.ts";
import { SltrainError } from "../errors.ts";
import type { RunSummary } from "../run/records.ts";
import { formatBytes, formatCount, formatDuration, formatPercent, formatUsd } from "../units.ts";

export interface TrainView {
  show(event: TrainEvent): void;
  /** The run has failed; the view clears what it drew. The error itself is the command's to print, but for JSON. */
  fail(error: unknown): void;
}

type Started = Extract<TrainEvent, { event: "run.started" }>;
type Epoch = Extract<TrainEvent, { event: "epoch" }>;
type Progress = Extract<TrainEvent, { event: "progress" }>;

const BAR_WIDTH = 24;

export function chooseView(json: boolean, stream: NodeJS.WriteStream): TrainView {
  const print = (line: string) => void stream.write(`${line}\n`);
  if (json) return jsonView(print);
  return stream.isTTY ? liveView(stream) : plainView(print);
}

/** One JSON object per line; progress within an epoch is for people only. */
function jsonView(print: (line: string) => void): TrainView {
  return {
    show: (event) => {
      if (event.event !== "progress") print(JSON.stringify(event));
    },
    fail: (error) => {
      const known = error instanceof SltrainError;
      print(
        JSON.stringify({
          event: "run.failed",
          code: known ? error.code : "internal",
          message: error instanceof Error ? error.message : String(error),
          suggestions: known ? error.suggestions : [],
        }),
      );
    },
  };
}

/** Lines for logs and pipes. */
function plainView(print: (line: string) => void): TrainView {
  let started: Started | undefined;
  return {
    show: (event) => {
      if (event.event === "run.started") started = event;
      for (const line of lines(event, started)) print(line);
    },
    fail: () => undefined,
  };
}

/** Rows as in the plain view, and below them one line that follows the epoch under way. */
function liveView(stream: NodeJS.WriteStream): TrainView {
  const update = createLogUpdate(stream);
  let started: Started | undefined;
  return {
    show: (event) => {
      if (event.event === "run.started") started = event;
      if (event.event === "progress") {
        if (started) update(progressLine(event, started));
        return;
      }
      const rows = lines(event, started);
      if (rows.length === 0) return;
      update.clear();
      stream.write(rows.map((row) => `${row}\n`).join(""));
    },
    fail: () => update.clear(),
  };
}

function lines(event: TrainEvent, started: Started | undefined): string[] {
  switch (event.event) {
    case "run.started":
      return startedLines(event);
    case "epoch":
      return started ? [epochLine(event, started)] : [];
    case "worker.started":
    case "worker.ended":
    case "progress":
      return [];
    case "warning":
      return [`${styleText("yellow", "warning")} ${event.message}`];
    case "run.completed":
      return ["", ...summaryLines(event)];
    case "run.stopped":
      return ["", ...summaryLines(event), `${label("resume")}${event.resume}`];
  }
}

function startedLines(event: Started): string[] {
  const where =
    event.channel === event.storage ? event.storage : `${event.storage}, frames through ${event.channel}`;
  const begun = event.attempt === 0 ? "" : ` (resumed after ${event.epochsBefore} epochs)`;
  return [
    `${styleText("bold", event.runId)}${begun}`,
    `${event.model}, ${formatCount(event.parameters)} parameters, on ${event.data}, ${formatCount(event.samples)} samples`,
    `${formatCount(event.workers)} ${event.provider} worker${event.workers === 1 ? "" : "s"} through ${where}; ` +
      `batch ${formatCount(event.batchSize)}, ${event.optimizer} at ${event.lr}, up to ${event.epochs} epochs of ${formatCount(event.stepsPerEpoch)} steps`,
    "",
    styleText("dim", "epoch      loss  accuracy   samples/s  compute exchange  wait  on Lambda"),
  ];
}

function epochLine(event: Epoch, started: Started): string {
  const total = event.computeMs + event.exchangeMs + event.waitMs;
  const share = (ms: number) => `${Math.round((100 * ms) / total)}%`;
  return [
    `${event.epoch}/${started.epochs}`.padStart(5),
    event.loss.toFixed(4).padStart(8),
    (event.accuracy === null
      ? `loss ${event.validationLoss.toPrecision(4)}`
      : formatPercent(event.accuracy)
    ).padStart(8),
    formatCount(event.samplesPerS).padStart(10),
    share(event.computeMs).padStart(7),
    share(event.exchangeMs).padStart(7),
    share(event.waitMs).padStart(4),
    formatUsd(event.lambdaCostUsd).padStart(9),
  ].join("  ");
}

function progressLine(event: Progress, started: Started): string {
  const done = Math.min(1, event.samples / started.samples);
  const filled = Math.round(done * BAR_WIDTH);
  const bar = styleText("cyan", "━".repeat(filled)) + styleText("dim", "━".repeat(BAR_WIDTH - filled));
  const loss = event.samples > 0 ? `  loss ${event.loss.toFixed(4)}` : "  starting";
  return `${String(event.epoch).padStart(3)}/${started.epochs}  ${bar} ${formatPercent(done).padStart(6)}${loss}`;
}

function summaryLines(run: RunSummary): string[] {
  const accuracy =
    run.accuracy === null ? "" : `, validation accuracy ${styleText("bold", formatPercent(run.accuracy))}`;
  const colour = run.status === "completed" ? "green" : "yellow";
  return [
    `${styleText(colour, run.status)} after ${run.epochs} epochs, ${formatCount(run.steps)} steps: loss ${run.loss.toFixed(4)}${accuracy}`,
    `${label("time")}${formatDuration(run.wallMs)}; first step after ${formatDuration(run.firstStepMs)}; ` +
      `compute ${formatDuration(run.computeMs)}, exchange ${formatDuration(run.exchangeMs)}, wait ${formatDuration(run.waitMs)} per worker`,
    `${label("exchange")}${formatBytes(run.bytesUp)} up, ${formatBytes(run.bytesDown)} down, ${formatCount(run.requests)} requests`,
    `${label("memory")}${formatBytes(run.peakMemoryMiB * 2 ** 20)} in the largest worker`,
    `${label("on Lambda")}about ${formatUsd(run.lambdaCostUsd)} (list prices, S3 as channel)`,
    `${label("model")}${run.modelPath}`,
    `${label("")}${run.topologyPath}`,
  ];
}

function label(name: string): string {
  return styleText("dim", name.padEnd(11));
}
