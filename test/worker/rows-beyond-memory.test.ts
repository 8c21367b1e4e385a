// ADMM and EM on rows that no function of the crew holds its share of: they are streamed in every pass, and the model has the
// bits of functions that hold theirs.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { RowStream } from "../../src/data/row-stream.ts";
import { RandomStream } from "../../src/random.ts";
import { putJson } from "../../src/run/json-object.ts";
import { equip } from "../../src/worker/equipment.ts";
import { StartupClock } from "../../src/worker/startup-clock.ts";
import { LifeCrew, runsFolder } from "./life-crew.ts";

const ROWS = 64_000;
const ROW_NON_ZEROS = 90;
const FEATURES = 9_000;
/** Of the longest row, for whose like every part has room: a rank's rows are several parts. */
const MOST_NON_ZEROS = 450;
/** Half of it is for data: room for the ring, and not for a fourth of the rows. */
const SMALL_MEMORY_MIB = 42;

const folder = runsFolder();
after(() => folder.remove());

/** LibSVM, one-hot; the first feature decides the label nine times of ten. */
function writeRows(path: string): void {
  const random = new RandomStream(1, "rows");
  const perField = FEATURES / ROW_NON_ZEROS;
  const lines: string[] = [];
  for (let row = 0; row < ROWS; row++) {
    const first = random.nextInt(perField);
    let line = (first + Number(random.nextInt(10) === 0)) % 2 === 0 ? "+1" : "-1";
    const nonZeros = row === 0 ? MOST_NON_ZEROS : ROW_NON_ZEROS;
    const stride = FEATURES / nonZeros;
    for (let field = 0; field < nonZeros; field++)
      line += ` ${1 + field * stride + (field === 0 ? first % stride : random.nextInt(stride))}:1`;
    lines.push(line);
  }
  writeFileSync(path, `${lines.join("\n")}\n`);
}

test("admm on shares larger than a function's memory has the bits of one that holds them", async () => {
  const data = join(folder.path, "rows.libsvm");
  writeRows(data);
  const learned = await sameInAnyMemory({ data, algorithm: "admm" });
  assert.ok(learned.at(-1)!.accuracy! > 0.85, `accuracy ${learned.at(-1)!.accuracy}`);
});

test("em on shares larger than a function's memory has the bits of one that holds them", async () => {
  const settings = { data: "synthetic:higgs", rows: 1_000_000, model: "kmeans", algorithm: "em" };
  const learned = await sameInAnyMemory({ ...settings, clusters: 5 });
  assert.ok(learned.at(-1)!.validationLoss! < learned[0]!.validationLoss!);
});

async function sameInAnyMemory(of: Readonly<Record<string, unknown>>) {
  const settings = { ...of, "batch-size": undefined, epochs: 3, tolerance: 1e-12 };
  const ample = await LifeCrew.prepare(folder.path, { settings });
  const small = await LifeCrew.prepare(folder.path, { settings });
  const { manifest, storage, keys } = small;
  // No function of Lambda's is so small.
  const cut = { ...manifest, config: { ...manifest.config, memoryMiB: SMALL_MEMORY_MIB } };
  await putJson(storage, keys.manifest, cut);

  const startup = new StartupClock({ elapsedMs: 0 });
  const { train, parts, schedule, device } = await equip({
    storage,
    manifest: cut,
    rank: 1,
    threads: 1,
    startup,
  });
  device.destroy();
  assert.ok(train instanceof RowStream);
  assert.ok(parts?.stays === false && parts.partRows < schedule.rows.end - schedule.rows.begin);

  const [expected, results] = [await ample.run(), await small.run()];
  assert.deepEqual(
    results.map(({ parametersSha256 }) => parametersSha256),
    expected.map(({ parametersSha256 }) => parametersSha256),
  );
  const learned = (await small.epochs()).map(({ validationLoss, accuracy }) => ({
    validationLoss,
    accuracy,
  }));
  assert.deepEqual(
    (await ample.epochs()).map(({ validationLoss, accuracy }) => ({ validationLoss, accuracy })),
    learned,
  );
  return learned;
}
