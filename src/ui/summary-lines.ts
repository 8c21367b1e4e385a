// What a finished run came to, for people.

import { styleText } from "node:util";
import { gpuUseLine } from "./gpu-text.ts";
import type { BestEpoch, RunSummary, StopReason } from "../run/records.ts";
import { counted, formatBytes, formatCount, formatDuration, formatPercent, formatUsd } from "../units.ts";

export function summaryLines(run: RunSummary): string[] {
  const worth =
    run.accuracy === null
      ? `validation loss ${styleText("bold", formatLoss(run.validationLoss).trim())}`
      : `validation accuracy ${styleText("bold", formatPercent(run.accuracy))}`;
  const colour = run.status === "completed" ? "green" : "yellow";
  return [
    `${styleText(colour, run.status)} after ${counted(run.epochs, "epoch")}, ${counted(run.steps, "step")}${why(run.reason)}: ` +
      `loss ${formatLoss(run.loss).trim()}, ${worth}`,
    ...(run.skippedSteps ? [`${label("f16")}${skippedText(run.skippedSteps)}`] : []),
    `${label("time")}${formatDuration(run.wallMs)}; first step after ${formatDuration(run.firstStepMs)}`,
    `${label("per worker")}compute ${formatDuration(run.computeMs)}, ` +
      (run.dataMs > 0 ? `data ${formatDuration(run.dataMs)} (${shareOf(run, run.dataMs)}), ` : "") +
      `exchange ${formatDuration(run.exchangeMs)}, wait ${formatDuration(run.waitMs)} (${shareOf(run, run.waitMs)})`,
    `${label("traffic")}${formatBytes(run.bytesUp)} up, ${formatBytes(run.bytesDown)} down, ${formatCount(run.requests)} requests` +
      (run.requestsUsd > 0 ? ` for ${formatUsd(run.requestsUsd)}` : ""),
    `${label("memory")}${formatBytes(run.peakMemoryMiB * 2 ** 20)} in the largest worker`,
    ...(run.gpus ?? []).map((gpu, i) => label(i === 0 ? "GPUs" : "") + gpuUseLine(gpu)),
    ...costLines(run),
    `${label("model")}${run.modelPath}`,
    `${label("")}${run.topologyPath}`,
  ];
}

/** What ended it, unless it went as far as it was to go. */
function why(reason: StopReason): string {
  return reason === "epochs-done" ? "" : ` (${reason.replaceAll("-", " ")})`;
}

/** Steps of a scaled loss that changed nothing. */
export function skippedText(steps: number): string {
  return `${counted(steps, "step")} skipped for gradients that overflowed`;
}

function costLines(run: RunSummary): string[] {
  const { generations, restarts, lambdaCostUsd, best, epochs } = run;
  const replaced = [
    ...(generations > 1 ? [`${counted(generations, "generation")} of workers`] : []),
    ...(restarts > 0 ? [counted(restarts, "restart")] : []),
  ];
  return [
    ...(replaced.length > 0 ? [`${label("workers")}${replaced.join(", ")}`] : []),
    `${label("cost")}${costText(run)}`,
    `${label("")}about ${formatUsd(lambdaCostUsd)} on Lambda with S3 as channel`,
    ...(best && best.epoch < epochs ? [`${label("best")}${bestText(best)}`] : []),
  ];
}

/** On another machine than Lambda's it is what the same use would have cost there. */
export function costText({ gbSeconds, costUsd }: Pick<RunSummary, "gbSeconds" | "costUsd">): string {
  const { compute, requests, storage, total } = costUsd;
  return (
    `${formatUsd(total)} at Lambda's list prices: ${formatUsd(compute)} for ${gbSeconds.toFixed(1)} GB-s, ` +
    `${formatUsd(requests)} requests, ${formatUsd(storage)} storage`
  );
}

/** Of a worker's time. */
function shareOf({ computeMs, dataMs, exchangeMs, waitMs }: RunSummary, ms: number): string {
  return formatPercent(ms / (computeMs + dataMs + exchangeMs + waitMs));
}

function bestText({ epoch, accuracy, validationLoss, modelPath }: BestEpoch): string {
  const worth = accuracy === null ? `loss ${formatLoss(validationLoss).trim()}` : formatPercent(accuracy);
  return `epoch ${epoch} with ${worth}: ${modelPath}`;
}

/** A loss in nine columns, of whatever size. */
export function formatLoss(loss: number): string {
  return (loss < 10_000 ? loss.toFixed(4) : loss.toPrecision(4)).padStart(9);
}

export function label(name: string): string {
  return styleText("dim", name.padEnd(11));
}
