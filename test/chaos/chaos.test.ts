// Whatever happens to functions, storage and coordinator, a run ends with the bits of one that nothing happened to.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { describeSchedule, scheduleOf } from "../../bench/chaos/schedule.ts";
import { Scene } from "../../bench/chaos/survive.ts";

const SCHEDULES = 50;
/** Most of a run is waiting, for storage and for leases. */
const AT_ONCE = 3;

const folder = mkdtempSync(join(tmpdir(), "sltrain-chaos-"));
after(() => rmSync(folder, { recursive: true }));
const scene = new Scene(folder);

describe("a run survives", { concurrency: AT_ONCE }, () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const schedule = scheduleOf(seed);
    test(describeSchedule(schedule), async () => {
      await scene.survive(schedule);
    });
  }
});
