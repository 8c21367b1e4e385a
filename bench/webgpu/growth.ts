// `node bench/webgpu/growth.ts [minutes [adapter [batch size]]]`: trains LeNet-5 as a worker does, for that long (default: 60
// minutes), and prints the memory of the process minute by minute (a tenth of the time where that is less), at last its
// growth by the hour. What leaks shows in `native` (Dawn and the driver) or in `heap`.

import { openWebGpuTestbed } from "../testbeds/webgpu.ts";
import { measureMemoryGrowth } from "./memory-growth.ts";

const [minutes = "60", adapter, batchSize = "128"] = process.argv.slice(2);
const seconds = 60 * Number(minutes);
const everyS = Math.min(60, seconds / 10);
const testbed = await openWebGpuTestbed(adapter);
console.log(`${testbed.machine.adapter!.name}, LeNet-5, batch ${batchSize}; MiB`);
console.log("    time      steps  resident      heap   buffers    native");
let nextS = 0;
const growth = await testbed.use((device) =>
  measureMemoryGrowth(device, {
    ...{ batchSize: Number(batchSize), seconds },
    onSample({ atS, steps, residentMiB, heapMiB, buffersMiB, nativeMiB }) {
      if (atS < nextS) return;
      nextS += everyS;
      const sizes = [residentMiB, heapMiB, buffersMiB, nativeMiB].map((mib) => mib.toFixed(1).padStart(10));
      console.log(`${atS.toFixed(0).padStart(6)} s ${String(steps).padStart(10)}${sizes.join("")}`);
    },
  }),
);
testbed.close();
const { steps, growthMiBPerHour, gpuFirstMiB, gpuLastMiB } = growth;
console.log(
  `${steps} steps; ${growthMiBPerHour.toFixed(1)} MiB an hour over the last two thirds` +
    (gpuFirstMiB === null ? "" : `; GPU ${gpuFirstMiB} -> ${gpuLastMiB} MiB`),
);
