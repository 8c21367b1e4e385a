// All devices, held to one contract.

import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { deviceContract } from "../contract/device.ts";
import { createTestGpu, needsGpu } from "../support/gpu.ts";

deviceContract("reference", () => createReferenceDevice({ precision: "f32" }));
deviceContract("wasm", () => createWasmDevice());
deviceContract("wasm with threads", () => createWasmDevice({ threads: 2 }));
deviceContract("webgpu", createTestGpu, needsGpu);
