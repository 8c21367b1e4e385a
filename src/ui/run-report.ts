// One stored run as a page of text: what it was, how it went, what it left.

import { styleText } from "node:util";
import { countsAnswers } from "../models/build.ts";
import type { RunSummary } from "../run/records.ts";
import { statusOf, type StoredRun } from "../run/registry.ts";
import { formatBytes, formatCount, formatDuration, formatPercent, formatUsd } from "../units.ts";
import { drawCurve } from "./curve.ts";
import { resumeCommand } from "../run/resume-command.ts";
import { exchangeText } from "./exchange-text.ts";
import { gpuLine, gpuUseLine } from "./gpu-text.ts";
import { costText } from "./summary-lines.ts";
import { drawTable } from "./table.ts";

/** `storageUri`: where the run was found, for the command that resumes it. */
export function runReport(run: StoredRun, storageUri: string, width: number): string {
  const { manifest, metrics, summary } = run;
  const { config, data } = manifest;
  const gpus = summary?.gpus?.map(gpuUseLine) ?? manifest.machine.gpus?.map(gpuLine) ?? [];
  const facts = [
    ["status", statusOf(run)],
    ["started", manifest.createdAt],
    ["model", `${config.model}, ${formatCount(manifest.parameterCount)} parameters, ${manifest.loss}`],
    [
      "data",
      `${config.data}, ${formatCount(data.counts.train)} train, ${formatCount(data.counts.validation)} validation`,
    ],
    [
      "training",
      `${config.optimizer} at ${config.lr}, batch ${formatCount(config.batchSize)}, seed ${config.seed}`,
    ],
    ["exchange", exchangeText(config)],
    ["functions", `${config.workers} ${config.provider}, ${config.memoryMiB} MiB each`],
    ...gpus.map((line, i) => [i === 0 ? "GPUs" : "", line]),
    ["machine", `${manifest.machine.cpu}, ${manifest.machine.cores} cores, Node ${manifest.versions.node}`],
  ];
  if (summary) {
    facts.push(
      ["time", `${formatDuration(summary.wallMs)}; first step after ${formatDuration(summary.firstStepMs)}`],
      [
        "traffic",
        `${formatBytes(summary.bytesUp)} up, ${formatBytes(summary.bytesDown)} down, ${formatCount(summary.requests)} requests` +
          (summary.requestsUsd > 0 ? ` for ${formatUsd(summary.requestsUsd)}` : ""),
      ],
      [
        "zstd",
        `${config.zstd}: used by ${summary.compressingWorkers} of ${config.workers} workers in the end`,
      ],
      ["cost", costText(summary)],
      ["model file", summary.modelPath],
      ["sha256", summary.parametersSha256],
    );
  }
  if (run.failure) facts.push(["failed", `${run.failure.code}: ${run.failure.message}`]);
  if (statusOf(run) !== "completed") facts.push(["resume", resumeCommand(manifest.runId, storageUri)]);
  const page = [
    styleText("bold", manifest.runId),
    ...facts.map(([name, value]) => `${styleText("dim", name!.padEnd(11))}${value!}`),
  ];
  if (metrics.length === 0) return page.join("\n");

  const isRegression = !countsAnswers(manifest.loss);
  const right = { align: "right" } as const;
  const table = drawTable(
    ["epoch", "loss", "validation loss", ...(isRegression ? [] : ["accuracy"]), "samples/s", "wait"].map(
      (header) => ({ header, ...right }),
    ),
    metrics.map((epoch) => [
      String(epoch.epoch),
      epoch.loss.toFixed(4),
      epoch.validationLoss?.toFixed(4) ?? "-",
      ...(isRegression ? [] : [epoch.accuracy === null ? "-" : formatPercent(epoch.accuracy)]),
      formatCount(epoch.samplesPerS),
      formatPercent(epoch.waitMs / (epoch.computeMs + epoch.dataMs + epoch.exchangeMs + epoch.waitMs)),
    ]),
    width,
  );
  const curve = (
    title: string,
    pick: (epoch: StoredRun["metrics"][number]) => number | null,
    format: (y: number) => string,
  ) =>
    drawCurve({
      title,
      points: metrics.flatMap((epoch) => {
        const y = pick(epoch);
        return y === null ? [] : [[epoch.epoch, y] as const];
      }),
      xLabel: "epoch",
      formatY: format,
      width: Math.min(width, 72),
    });
  return [
    ...page,
    ...(summary ? ["", workerTable(summary, width)] : []),
    "",
    table,
    "",
    curve(
      "training loss",
      ({ loss }) => loss,
      (y) => y.toFixed(3),
    ),
    "",
    isRegression
      ? curve(
          "validation loss",
          ({ validationLoss }) => validationLoss,
          (y) => y.toFixed(3),
        )
      : curve("validation accuracy", ({ accuracy }) => accuracy, formatPercent),
  ].join("\n");
}

/** Each rank with all its generations, and what they were billed for. */
function workerTable({ byWorker }: RunSummary, width: number): string {
  const right = { align: "right" } as const;
  return drawTable(
    ["worker", "generations", "restarts", "billed", "GB-s", "cost"].map((header) => ({ header, ...right })),
    byWorker.map(({ rank, generations, restarts, billedMs, gbSeconds, costUsd }) => [
      String(rank),
      formatCount(generations),
      formatCount(restarts),
      formatDuration(billedMs),
      gbSeconds.toFixed(2),
      formatUsd(costUsd),
    ]),
    width,
  );
}
