// How `sltrain train` shows a run: a live line under growing rows on a terminal, plain lines elsewhere, JSON lines for
// programs. A view only formats events; it knows nothing of how a run works.

import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import { takesAllRows } from "../config/samples-per-step.ts";
import type { TrainEvent } from "../coordinator/events.ts";
import { errorRecord } from "../errors.ts";
import { resumeCommand } from "../run/resume-command.ts";
import { counted, formatBytes, formatCount, formatDuration, formatPercent, formatUsd } from "../units.ts";
import { exchangeText } from "./exchange-text.ts";
import { gpuLine } from "./gpu-text.ts";
import { paceText } from "./pace-text.ts";
import { LOG_INTERVAL_MS } from "./source-view.ts";
import { CrewCount, Rate } from "./live-counts.ts";
import { formatLoss, label, summaryLines, skippedText } from "./summary-lines.ts";

export interface TrainView {
  show(event: TrainEvent): void;
  /** Ctrl-C has asked the workers to stop; `leaving` when it came again and the tool does not wait for them. */
  interrupted(leaving: boolean): void;
  /** The run has failed; the view clears what it drew. The error itself is the command's to print, but for JSON. */
  fail(error: unknown): void;
}

type Started = Extract<TrainEvent, { event: "run.started" }>;
type Epoch = Extract<TrainEvent, { event: "epoch" }>;
type Progress = Extract<TrainEvent, { event: "progress" }>;

const BAR_WIDTH = 24;
const HEADER = "     loss   accuracy   samples/s  compute exchange  wait  on Lambda";

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
    // Programs wait for the last line.
    interrupted: () => undefined,
    fail: (error) => {
      print(JSON.stringify({ event: "run.failed", ...errorRecord(error, "internal") }));
    },
  };
}

/** Lines for logs and pipes. */
function plainView(print: (line: string) => void): TrainView {
  const rows = new Rows();
  const importing = new NowAndThen();
  return {
    show: (event) => {
      if (event.event !== "data.progress") rows.of(event).forEach(print);
      else if (importing.isTime(event.elapsedMs)) print(paceText(event));
    },
    interrupted: (leaving) => rows.interrupted(leaving).forEach(print),
    fail: () => undefined,
  };
}

/** Once in `LOG_INTERVAL_MS` of what tells its time from 0. */
class NowAndThen {
  #interval = 0;

  isTime(elapsedMs: number): boolean {
    const interval = Math.floor(elapsedMs / LOG_INTERVAL_MS);
    const isNew = interval > this.#interval;
    this.#interval = interval;
    return isNew;
  }
}

/** Rows as in the plain view, and below them one line that follows the epoch under way. */
function liveView(stream: NodeJS.WriteStream): TrainView {
  const update = createLogUpdate(stream);
  const rows = new Rows();
  const grow = (lines: readonly string[]): void => {
    if (lines.length === 0) return;
    update.clear();
    stream.write(lines.map((line) => `${line}\n`).join(""));
  };
  return {
    show: (event) => {
      grow(rows.of(event));
      const live = rows.live(event);
      if (live !== undefined) update(live);
    },
    interrupted: (leaving) => grow(rows.interrupted(leaving)),
    fail: () => update.clear(),
  };
}

/** What events look like, one after another. */
class Rows {
  #started: Started | undefined;
  #hasHeader = false;
  readonly #crew = new CrewCount();
  readonly #rate = new Rate();

  of(event: TrainEvent): string[] {
    this.#crew.count(event);
    switch (event.event) {
      case "run.started":
        this.#started = event;
        return startedLines(event);
      case "run.restarted":
        return [`${styleText("yellow", "restarted")} all workers go on from the newest checkpoint`];
      case "run.resized":
        return [`${styleText("yellow", "resized")} ${counted(event.workers, "worker")} go on`];
      case "run.detached":
        return ["left to itself", `${label("watch")}${event.watch}`];
      case "worker.restarted":
        return [
          `${styleText("yellow", "restarted")} worker ${event.rank} is there again, ` +
            `for the ${ordinal(event.generation)} time, at step ${formatCount(event.step)}`,
        ];
      case "epoch":
        return this.#started ? [...this.#header(event, this.#started), epochLine(event, this.#started)] : [];
      case "worker.started":
      case "worker.handed-over":
      case "worker.ended":
      case "progress":
        return [];
      case "data.progress":
        return [];
      case "weights.made":
        return [`${formatBytes(event.bytes)} of ${formatBytes(event.of)} of weights in storage`];
      case "features.computed":
        return [`features of ${formatCount(event.rows)} of ${formatCount(event.of)} samples computed`];
      case "features.made":
        return [
          `features of ${counted(event.rows, "sample")} made in ${formatDuration(event.elapsedMs)}, ` +
            `${counted(event.lives, "invocation")} of functions, ${formatUsd(event.costUsd.total)}`,
        ];
      case "warning":
        return [`${styleText("yellow", "warning")} ${event.message}`];
      case "run.completed":
        return ["", ...summaryLines(event)];
      case "run.stopped":
        return ["", ...summaryLines(event), `${label("resume")}${event.resume}`];
    }
  }

  /** The line that the next one replaces; undefined if the event says nothing of it. */
  live(event: TrainEvent): string | undefined {
    if (event.event === "data.progress") return paceText(event);
    if (!this.#started) return undefined;
    const started = this.#started;
    if (event.event === "run.started") return styleText("dim", `starting ${workersOf(event)}`);
    if (event.event === "worker.started") return styleText("dim", `${this.#crew.text(started)} started`);
    if (event.event !== "progress") return undefined;
    const counts = [this.#crew.text(started), ...this.#pace(event)].join(", ");
    return [progressLine(event, started), styleText("dim", counts)].join("\n");
  }

  #pace(event: Progress): string[] {
    const samplesPerS = this.#rate.of(event);
    return [
      ...(samplesPerS === undefined ? [] : [`${formatCount(samplesPerS)} samples/s`]),
      ...(event.spentUsd === null ? [] : [`${formatUsd(event.spentUsd)} so far`]),
    ];
  }

  interrupted(leaving: boolean): string[] {
    if (!this.#started) return [];
    if (!leaving) return [styleText("dim", "stopping after this step; Ctrl-C again leaves at once")];
    const { runId, storage } = this.#started;
    return [
      "left; the workers stop after their step and keep the state",
      `${label("resume")}${resumeCommand(runId, storage)}`,
    ];
  }

  /** Above the first row: only it tells whether the run counts right answers. */
  #header({ trainAccuracy }: Epoch, started: Started): string[] {
    if (this.#hasHeader) return [];
    this.#hasHeader = true;
    const counted = trainAccuracy === null ? HEADER.replace(" accuracy", "val. loss") : HEADER;
    // What as many processors would cost says nothing of a GPU.
    const columns = started.device === "webgpu" ? counted.replace("on Lambda", " GPU busy") : counted;
    return ["", styleText("dim", `${"epoch".padEnd(epochWidth(started))}  ${columns}`)];
  }
}

/** 1 -> "2nd": generation 1 is the second start. */
function ordinal(generation: number): string {
  const start = generation + 1;
  const teen = start % 100 > 10 && start % 100 < 14;
  return `${formatCount(start)}${(!teen && ["th", "st", "nd", "rd"][start % 10]) || "th"}`;
}

function startedLines(event: Started): string[] {
  const where =
    event.channel === event.storage ? event.storage : `${event.storage}, frames through ${event.channel}`;
  const begun = event.attempt === 0 ? "" : ` (resumed after ${counted(event.epochsBefore, "epoch")})`;
  return [
    `${styleText("bold", event.runId)}${begun}`,
    `${event.model}, ${formatCount(event.parameters)} parameters, on ${event.data}, ${formatCount(event.samples)} samples`,
    `${workersOf(event)} through ${where}`,
    ...event.gpus.map((gpu) => gpuLine(gpu)),
    `${stepOf(event)}, ` +
      `up to ${counted(event.epochs, "epoch")} of ${counted(event.stepsPerEpoch, "step")}`,
    exchangeText(event),
    `a checkpoint every ${counted(event.checkpointEverySteps, "step")}, frames within ${formatBytes(event.maxFrameBytes)}`,
  ];
}

function stepOf({ algorithm, batchSize, optimizer, lr }: Started): string {
  if (takesAllRows({ algorithm })) return "all rows in every step";
  return `batch ${formatCount(batchSize)}, ${optimizer} at ${lr}`;
}

function workersOf({ workers, provider }: Started): string {
  return counted(workers, `${provider} worker`);
}

function epochWidth({ epochs }: Started): number {
  return Math.max(5, 2 * String(epochs).length + 1);
}

function epochLine(event: Epoch, started: Started): string {
  const total = event.computeMs + event.dataMs + event.exchangeMs + event.waitMs;
  const share = (ms: number) => `${Math.round((100 * ms) / total)}%`;
  return [
    `${event.epoch}/${started.epochs}`.padStart(epochWidth(started)),
    formatLoss(event.loss),
    validationText(event),
    formatCount(event.samplesPerS).padStart(10),
    share(event.computeMs).padStart(7),
    share(event.exchangeMs).padStart(7),
    share(event.waitMs).padStart(4),
    started.device === "webgpu"
      ? share((event.gpuBusyMs * started.workers) / started.gpus.length).padStart(9)
      : formatUsd(event.lambdaCostUsd).padStart(9),
    ...residuals(event),
    ...(event.skippedSteps ? [skippedText(event.skippedSteps)] : []),
  ].join("  ");
}

/** In nine columns. */
function validationText({ accuracy, validationLoss }: Epoch): string {
  if (accuracy !== null) return formatPercent(accuracy).padStart(9);
  return validationLoss === null ? "-".padStart(9) : formatLoss(validationLoss);
}

/** ADMM's, primal and dual. */
function residuals({ primalResidual, dualResidual }: Epoch): string[] {
  if (primalResidual === undefined || dualResidual === undefined) return [];
  return [`residuals ${primalResidual.toExponential(1)}, ${dualResidual.toExponential(1)}`];
}

function progressLine(event: Progress, started: Started): string {
  if (event.epoch > started.epochs) return styleText("dim", "finishing: model and results");
  const done = Math.min(1, event.samples / started.samples);
  const filled = Math.round(done * BAR_WIDTH);
  const bar = styleText("cyan", "━".repeat(filled)) + styleText("dim", "─".repeat(BAR_WIDTH - filled));
  const loss = event.loss !== null ? `  loss ${formatLoss(event.loss).trim()}` : "";
  const epoch = `${event.epoch}/${started.epochs}`.padStart(epochWidth(started));
  return `${epoch}  ${bar} ${formatPercent(done).padStart(6)}${loss}`;
}
