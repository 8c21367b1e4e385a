// Where and on what a bench ran: stands at the head of every result, so that figures are compared with their like.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { joinsVectors, type Peak } from "../src/device/wasm/peak.ts";
import type { WasmTarget } from "../src/kernels/wasm/kernel.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly v8: string;
  /** GEMM's tile, as the probe chose it. */
  readonly tile: string;
}

export interface Provenance {
  readonly date: string;
  /** Of the sources; "-dirty" if they were changed since. The package's version where there is no repository. */
  readonly commit: string;
}

export function describeMachine(target: WasmTarget): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    node: process.versions.node,
    v8: process.versions.v8,
    tile: target.wide ? "6x16" : "6x8",
  };
}

export function formatMachine({ cpu, cores, node, tile }: Machine): string {
  return `${cpu}, ${cores} cores, Node ${node}, GEMM tile ${tile}`;
}

export function formatPeak(peak: Peak): string {
  const { fma128Gflops, fma256Gflops, memoryGBs } = peak;
  // Where nothing was joined, both are the same measurement.
  const wide = joinsVectors(peak) ? `, ${fma256Gflops.toFixed(1)} in 256-bit` : "";
  return `peak: ${fma128Gflops.toFixed(1)} GFLOP/s in 128-bit FMA${wide}, ${memoryGBs.toFixed(1)} GB/s memory`;
}

export function describeProvenance(): Provenance {
  return { date: new Date().toISOString(), commit: sourceCommit() };
}

function sourceCommit(): string {
  const here = fileURLToPath(new URL(".", import.meta.url));
  try {
    return execFileSync("git", ["describe", "--always", "--dirty", "--exclude", "*"], {
      cwd: here,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    // An installed package has no repository.
    const packageJson = fileURLToPath(import.meta.resolve("sltrain/package.json"));
    const { version } = JSON.parse(readFileSync(packageJson, "utf8")) as { readonly version: string };
    return `sltrain ${version}`;
  }
}
