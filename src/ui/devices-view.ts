// What this machine can train on, for people: the processor, then each GPU with what kernels ask of it.

import { availableParallelism, cpus } from "node:os";
import { styleText } from "node:util";
import type { AdapterDescription } from "../device/webgpu/adapters.ts";
import { counted, formatBytes, formatCount } from "../units.ts";
import { adapterText } from "./gpu-text.ts";
import { label } from "./summary-lines.ts";

/** Those that change what a kernel may do, and what it is for; an adapter may have many others. */
const FEATURES: Readonly<Record<string, string>> = {
  "shader-f16": "half precision",
  subgroups: "sums within a subgroup",
  "timestamp-query": "time that the GPU is busy",
  "chromium-experimental-subgroup-matrix": "tensor cores",
};

export function devicesView(adapters: readonly AdapterDescription[]): string {
  const [processor] = cpus();
  const wasm = [
    `${styleText("bold", "processor")}  --device wasm`,
    `${label("name")}${processor?.model.trim() ?? process.arch}, ${counted(availableParallelism(), "core")}`,
  ];
  const none = [`${styleText("bold", "GPU")}  none; \`sltrain doctor --device webgpu\` says what is missing`];
  const gpus = adapters.length === 0 ? [none] : adapters.map((adapter) => gpuLines(adapter));
  return [wasm, ...gpus].map((lines) => lines.join("\n")).join("\n\n");
}

function gpuLines(adapter: AdapterDescription): string[] {
  const { index, driver, backend, features, limits } = adapter;
  const limit = (name: string): number => limits[name] ?? 0;
  const has = (name: string): string => `${features.includes(name) ? "" : "no "}${name} (${FEATURES[name]})`;
  return [
    `${styleText("bold", `GPU ${index}`)}  --device webgpu --adapter ${index}`,
    `${label("name")}${adapterText(adapter)}`,
    `${label("driver")}${driver}, by ${backend}`,
    ...Object.keys(FEATURES).map((name, i) => `${label(i === 0 ? "features" : "")}${has(name)}`),
    `${label("buffers")}at most ${formatBytes(limit("maxBufferSize"))} each, ` +
      `${formatBytes(limit("maxStorageBufferBindingSize"))} of it for one kernel, which takes ` +
      formatCount(limit("maxStorageBuffersPerShaderStage")),
    `${label("workgroups")}up to ${formatCount(limit("maxComputeInvocationsPerWorkgroup"))} invocations with ` +
      formatBytes(limit("maxComputeWorkgroupStorageSize")),
  ];
}
