import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, after } from "node:test";
import { RowStream } from "../../src/data/row-stream.ts";
import { type Equipment, equip, keepEquipment } from "../../src/worker/equipment.ts";
import { StartupClock } from "../../src/worker/startup-clock.ts";
import { LifeCrew } from "./life-crew.ts";

const folder = mkdtempSync(join(tmpdir(), "sltrain-equipment-"));
after(() => rmSync(folder, { recursive: true }));

async function equipped({ storage, manifest }: LifeCrew, rank: number): Promise<Equipment> {
  return equip({ storage, manifest, rank, threads: 1, startup: new StartupClock({ elapsedMs: 0 }) });
}

function labelsOf({ train, validation }: Equipment): unknown[] {
  assert.ok(!(train instanceof RowStream));
  return [train.labels, validation.labels];
}

suite("a process that has trained as another rank", () => {
  for (const [name, settings] of [
    ["where each holds all rows", {}],
    ["where each holds its own rows", { algorithm: "admm", "batch-size": undefined }],
  ] as const) {
    test(`keeps what is compiled, and has the rows of the new one, ${name}`, async () => {
      const crew = await LifeCrew.prepare(folder, { settings });
      const fresh = await equipped(crew, 1);
      const expected = {
        labels: labelsOf(fresh),
        parameters: (await fresh.replica.read("parameters")).slice(),
      };
      fresh.device.destroy();

      const first = await equipped(crew, 0);
      assert.notDeepEqual(labelsOf(first), expected.labels);
      first.replica.write(
        "parameters",
        (await first.replica.read("parameters")).map(() => 7),
      );
      keepEquipment(first);
      const second = await equipped(crew, 1);
      assert.equal(second.replica, first.replica);
      assert.deepEqual(labelsOf(second), expected.labels);
      assert.deepEqual(await second.replica.read("parameters"), expected.parameters);
      second.device.destroy();
    });
  }

  test("compiles anew for other settings", async () => {
    const first = await equipped(await LifeCrew.prepare(folder), 0);
    keepEquipment(first);
    const second = await equipped(await LifeCrew.prepare(folder, { settings: { seed: 2 } }), 0);
    assert.notEqual(second.replica, first.replica);
    second.device.destroy();
  });
});
