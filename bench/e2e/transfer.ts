// VGG19 with a frozen beginning and a new head: features of a few images of 224x224, then the head, both on functions of 3,008 MB as
// in Naik et al. 2021. Weights are random ones of the right shapes. Prints the peak memory of the functions and of the command.
// npx node bench/e2e/transfer.ts [--images 8] [--workers 1] [--memory-mib 3008]

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RandomStream } from "../../src/random.ts";
import { formatBytes } from "../../src/units.ts";

const SIDE = 224;
const POLL_MS = 50;

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "8" },
    workers: { type: "string", default: "1" },
    "memory-mib": { type: "string", default: "3008" },
  },
});
const count = Number(values.images);
const limitMiB = Number(values["memory-mib"]);

/** IDX: two zero bytes, 8 for bytes, the number of extents, the extents big-endian, the values. */
function idx(extents: readonly number[], bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * extents.length);
  head.set([0, 0, 8, extents.length]);
  extents.forEach((extent, i) => head.writeUInt32BE(extent, 4 + 4 * i));
  return Buffer.concat([head, bytes]);
}

const folder = mkdtempSync(join(tmpdir(), "sltrain-transfer-"));
try {
  const random = new RandomStream(1, "images");
  const pixels = Uint8Array.from({ length: count * SIDE * SIDE * 3 }, () => random.nextInt(256));
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  for (const [name, rows] of [
    ["train", count],
    ["t10k", Math.min(count, 3)],
  ] as const) {
    const size = SIDE * SIDE * 3;
    writeFileSync(
      join(folder, `${name}-images-idx4-ubyte`),
      idx([rows, SIDE, SIDE, 3], pixels.subarray(0, rows * size)),
    );
    writeFileSync(join(folder, `${name}-labels-idx1-ubyte`), idx([rows], labels.subarray(0, rows)));
  }
  const bin = fileURLToPath(new URL("../../bin/run.js", import.meta.url));
  const settings = [
    "--workers",
    values.workers,
    "--memory-mib",
    String(limitMiB),
    "--epochs",
    "2",
    "--batch-size",
    "4",
  ];
  const command = ["train", "--model", "vgg19", "--data", folder, "--freeze", "all-but-head", ...settings];
  const child = spawn(process.execPath, [bin, ...command, "--json"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let peakBytes = 0;
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid!))), POLL_MS);
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(1)} s`;
  for await (const line of createInterface({ input: child.stdout })) {
    const told = JSON.parse(line) as Record<string, unknown>;
    const { event, peakMemoryMiB, parameters, message } = told;
    if (event === "features.made")
      console.log(
        `${seconds()}: the functions' peak, which computed features: ${String(peakMemoryMiB)} MiB; ` +
          `${Number(told.gbSeconds).toFixed(0)} GB-s, ${(Number(told.elapsedMs) / 1000).toFixed(1)} s, ${String(told.lives)} invocations`,
      );
    if (event === "run.started")
      console.log(
        `${seconds()}: features of ${count + Math.min(count, 3)} images are there, ${String(parameters)} parameters are trained`,
      );
    if (event === "worker.ended")
      console.log(`${seconds()}: the worker's peak: ${String(peakMemoryMiB)} MiB`);
    if (event === "run.completed") console.log(`${seconds()}: completed`);
    if (event === "run.failed") console.log(`${seconds()}: ${String(message)}`);
  }
  clearInterval(timer);
  console.log(`the command's peak: ${formatBytes(peakBytes)}; functions have ${limitMiB} MiB`);
  process.exitCode = child.exitCode ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** What Linux has counted of a process; 0 once it is gone. */
function peakOf(pid: number): number {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Number(line?.[1] ?? 0) * 1024;
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === "ENOENT" ||
      (error as NodeJS.ErrnoException).code === "ESRCH"
    )
      return 0;
    throw error;
  }
}
