// Runs of LeNet-5 whose workers, storage and coordinator fail by seeded schedules, each compared bit by bit with a run that
// nothing disturbs: `npx node bench/e2e/chaos.ts [--schedules 500] [--from 1] [--at-once 2]`. A schedule that does not
// survive is told with the command that repeats it, and its logs are kept. The last line is JSON.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sideBySide } from "../../src/storage/side-by-side.ts";
import { describeSchedule, scheduleOf } from "../chaos/schedule.ts";
import { Scene, type Survival } from "../chaos/survive.ts";
import { reportJson } from "../json.ts";
import { describeProvenance } from "../machine.ts";
import { summariseTimes } from "../statistics.ts";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "500" },
    from: { type: "string", default: "1" },
    "at-once": { type: "string", default: "2" },
  },
});
const count = Number(values.schedules);
const first = Number(values.from);
const folder = mkdtempSync(join(tmpdir(), "sltrain-chaos-"));
const scene = new Scene(folder);
const survived: Survival[] = [];
const lost: number[] = [];
await sideBySide(count, Number(values["at-once"]), async (index) => {
  const schedule = scheduleOf(first + index);
  try {
    const survival = await scene.survive(schedule);
    survived.push(survival);
    console.error(`${describeSchedule(schedule)}: ${(survival.wallMs / 1000).toFixed(1)} s`);
  } catch (error) {
    lost.push(schedule.seed);
    console.error(`LOST ${error instanceof Error ? error.message : String(error)}`);
  }
});

const struck: Record<string, number> = {};
for (const { kind } of survived.flatMap((survival) => survival.struck))
  struck[kind] = (struck[kind] ?? 0) + 1;
const wall = survived.length > 0 ? summariseTimes(survived.map(({ wallMs }) => wallMs)) : undefined;
console.log(
  reportJson({
    ...describeProvenance(),
    schedules: count,
    first,
    survived: survived.length,
    lost,
    struck,
    wall,
  }),
);
if (lost.length > 0) {
  console.error(`logs and storage are kept in ${folder}`);
  process.exitCode = 1;
} else {
  rmSync(folder, { recursive: true });
}
