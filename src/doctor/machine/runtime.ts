// Node and what it brings.

import { constrainedMemory } from "node:process";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import * as zlib from "node:zlib";
import { formatBytes } from "../../units.ts";
import type { Finding, Subject } from "../check.ts";

/** Lambda's runtime: functions run under it whatever is here. */
const FUNCTION_NODE = 24;

export function checkNode(): Finding {
  const { node, v8 } = process.versions;
  const found = `${node} with V8 ${v8}, ${process.platform}-${process.arch}`;
  if (Number(node.split(".")[0]) >= FUNCTION_NODE) return { outcome: "ok", found };
  return {
    outcome: "warning",
    found: `${found}; functions run under Node ${FUNCTION_NODE}`,
    remedies: [`Use Node ${FUNCTION_NODE}: its newer V8 compiles faster kernels.`],
  };
}

export function checkCores({ config }: Subject): Finding {
  const [usable, all] = [availableParallelism(), cpus().length];
  const model = cpus()[0]?.model.trim() ?? process.arch;
  const found = `${usable === all ? all : `${usable} of ${all}`}, ${model}`;
  if (config.provider !== "local" || config.workers <= usable) return { outcome: "ok", found };
  return {
    outcome: "info",
    found: `${found}; ${config.workers} local workers share them`,
  };
}

export function checkMemory({ config }: Subject): Finding {
  const limitBytes = Math.min(totalmem(), constrainedMemory() || Infinity);
  const freeBytes = Math.min(freemem(), process.availableMemory());
  const found = `${formatBytes(freeBytes)} free of ${formatBytes(limitBytes)}`;
  const wantedBytes = config.workers * config.memoryMiB * 2 ** 20;
  if (config.provider !== "local" || wantedBytes <= freeBytes) return { outcome: "ok", found };
  return {
    outcome: "warning",
    found: `${found}; ${config.workers} local workers may take ${formatBytes(wantedBytes)}`,
    remedies: ["Use fewer --workers, or give each less memory (--memory-mib)."],
  };
}

export function checkZstd(): Finding {
  // Node 22.15 brought it; older ones, and other runtimes, lack it.
  if ("zstdCompressSync" in zlib) return { outcome: "ok", found: "native" };
  return {
    outcome: "warning",
    found: "not in this Node; a slower one in WebAssembly compresses gradients",
    remedies: ["Use Node 22.15 or newer."],
  };
}
