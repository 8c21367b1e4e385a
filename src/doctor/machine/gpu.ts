// Whether Dawn finds a GPU here. It is loaded for that, with the drivers.

import type { AdapterDescription } from "../../device/webgpu/adapters.ts";
import { chooseDevice } from "../../coordinator/choose-device.ts";
import { SltrainError } from "../../errors.ts";
import { adapterText } from "../../ui/gpu-text.ts";
import type { Finding, Subject } from "../check.ts";

/** Throws "webgpu-missing", "adapter-missing" and "gpus-too-few" where a GPU was asked for. */
export async function checkGpu({ config }: Subject): Promise<Finding> {
  const { listAdapters } = await import("../../device/webgpu/adapters.ts");
  // What a run would say; only those that ask for a GPU lack one.
  if (config.device === "webgpu") await chooseDevice(config);
  try {
    return findingOf(await listAdapters(), config.device);
  } catch (error) {
    if (!(error instanceof SltrainError)) throw error;
    return { outcome: "info", found: error.message, remedies: error.suggestions };
  }
}

function findingOf(adapters: readonly AdapterDescription[], device: string): Finding {
  const hardware = adapters.filter(({ isSoftware }) => !isSoftware);
  const found = adapters.map((adapter) => `${adapter.index}: ${adapterText(adapter)}`).join(", ");
  if (hardware.length > 0) return { outcome: "ok", found };
  if (adapters.length === 0) return { outcome: "info", found: "none; --device auto trains on the processor" };
  return {
    outcome: device === "webgpu" ? "warning" : "info",
    found: `${found}; --device auto trains on the processor`,
    remedies: ["Software is right but slow: use it to test, and --device wasm to train."],
  };
}
