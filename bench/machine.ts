// Where and on what a bench ran: stands at the head of every result, so that figures are compared with their like.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { joinsVectors } from "../src/device/wasm/peak.ts";
import type { Peak } from "./kernels/roofline.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly v8: string;
  /** Of wasm: GEMM's tile, as the probe chose it. */
  readonly tile?: string;
  /** Of webgpu. */
  readonly adapter?: BenchedAdapter;
}

export interface BenchedAdapter {
  /** As its driver says. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** With its version. */
  readonly driver: string;
  readonly isSoftware: boolean;
  /** What steps are timed by: the adapter's timestamps, or from submission to completion. */
  readonly clock: "gpu" | "host";
}

export interface Provenance {
  readonly date: string;
  /** Of the sources; "-dirty" if they were changed since. The package's version where there is no repository. */
  readonly commit: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    node: process.versions.node,
    v8: process.versions.v8,
  };
}

export function formatMachine({ cpu, cores, node, tile, adapter }: Machine): string {
  const host = `${cpu}, ${cores} cores, Node ${node}`;
  if (adapter === undefined) return tile === undefined ? host : `${host}, GEMM tile ${tile}`;
  const { name, driver, isSoftware, clock } = adapter;
  const kind = isSoftware ? "a software adapter: its speed says nothing of a GPU's" : `timed by the ${clock}`;
  return `${name} (${driver}), ${kind}; ${host}`;
}

export function formatPeak(peak: Peak): string {
  if ("fmaGflops" in peak)
    return `peak: ${peak.fmaGflops.toFixed(1)} GFLOP/s in FMA, ${peak.memoryGBs.toFixed(1)} GB/s memory`;
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
