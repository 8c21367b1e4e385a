// Opens the device of its argument, or lists the adapters, and prints what came of it.

import { openDevice, type DeviceRequest } from "../../src/device/open-device.ts";
import { listAdapters } from "../../src/device/webgpu/adapters.ts";
import { SltrainError } from "../../src/errors.ts";

const request = JSON.parse(process.argv[2]!) as DeviceRequest | "list";
try {
  if (request === "list") console.log(JSON.stringify({ adapters: await listAdapters() }));
  else {
    const device = await openDevice(request);
    console.log(JSON.stringify({ name: device.name, adapter: device.adapter }));
    device.destroy();
  }
} catch (error) {
  if (!(error instanceof SltrainError)) throw error;
  const { code, message, suggestions } = error;
  console.log(JSON.stringify({ code, message, suggestions }));
}
