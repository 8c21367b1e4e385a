// `node bench/webgpu/submit-time.ts [model [batch]]`: see host-time.ts, on Dawn's null backend. Prints one JSON line.

import { openDawn } from "../../src/device/webgpu/dawn.ts";
import { measureHostTime } from "./host-time.ts";

const [model = "lenet5", batch = "128"] = process.argv.slice(2);
const adapter = await (await openDawn("null")).requestAdapter();
const plan = { model, batchSize: Number(batch), warmUpSteps: 200, steps: 1000 };
console.log(JSON.stringify(await measureHostTime(adapter!, plan)));
