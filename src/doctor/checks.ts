// All checks of `sltrain doctor`, in the order of its screen.

import { checkConcurrency } from "./aws/concurrency.ts";
import { checkAccount, checkCredentials, checkRegion } from "./aws/identity.ts";
import { checkPermissions } from "./aws/permissions.ts";
import { checkStack } from "./aws/stack.ts";
import type { Check } from "./check.ts";
import { checkGpu } from "./machine/gpu.ts";
import { checkRevectoriser, checkSimd, checkThreads } from "./machine/processor.ts";
import { checkCores, checkMemory, checkNode, checkZstd } from "./machine/runtime.ts";
import { checkSandboxes } from "./machine/sandboxes.ts";
import { checkVulkan } from "./machine/vulkan.ts";
import { checkChannel, checkRunStorage } from "./stores.ts";

/** They wait for a store that has just been restarted, and measure it. */
const STORE_DEADLINE_MS = 30_000;

export const checks: readonly Check[] = [
  { name: "Node", topic: "machine", run: checkNode },
  { name: "WebAssembly SIMD", topic: "machine", run: checkSimd },
  { name: "V8's revectoriser", topic: "machine", requires: ["WebAssembly SIMD"], run: checkRevectoriser },
  { name: "threads", topic: "machine", run: checkThreads },
  { name: "cores", topic: "machine", run: checkCores },
  { name: "memory", topic: "machine", run: checkMemory },
  { name: "zstd", topic: "machine", run: checkZstd },
  { name: "sandboxes", topic: "machine", run: checkSandboxes },
  { name: "Vulkan", topic: "machine", run: checkVulkan },
  { name: "GPU", topic: "machine", run: checkGpu },
  { name: "storage", topic: "stores", deadlineMs: STORE_DEADLINE_MS, run: checkRunStorage },
  { name: "channel", topic: "stores", deadlineMs: STORE_DEADLINE_MS, run: checkChannel },
  { name: "region", topic: "lambda", run: checkRegion },
  { name: "credentials", topic: "lambda", run: checkCredentials },
  { name: "account", topic: "lambda", requires: ["region", "credentials"], run: checkAccount },
  { name: "stack", topic: "lambda", requires: ["region", "credentials"], run: checkStack },
  { name: "concurrency", topic: "lambda", requires: ["region", "credentials"], run: checkConcurrency },
  { name: "permissions", topic: "lambda", requires: ["account"], run: checkPermissions },
];
