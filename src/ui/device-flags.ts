// Flags of the commands that ask a trained model: what to compute on.

import { Flags } from "@oclif/core";
import { deviceNames } from "../config/schema.ts";
import type { DeviceRequest } from "../device/open-device.ts";

export const deviceFlags = {
  device: Flags.option({ options: deviceNames })({
    summary: "What to compute on. Default: what the run was trained on, where that is here.",
    env: "SLTRAIN_DEVICE",
  }),
  adapter: Flags.string({
    summary: "GPU to compute on: its index or a part of its name, as `sltrain devices` lists them.",
    helpValue: "index|name",
    env: "SLTRAIN_ADAPTER",
  }),
};

/** Whoever names an adapter wants a GPU. Undefined if nothing was asked for. */
export function deviceRequest({
  device,
  adapter,
}: {
  readonly device?: DeviceRequest["device"] | undefined;
  readonly adapter?: string | undefined;
}): DeviceRequest | undefined {
  if (device === undefined && adapter === undefined) return undefined;
  return { device: device ?? "webgpu", adapter };
}
