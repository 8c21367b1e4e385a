import assert from "node:assert/strict";
import { test } from "node:test";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import type { Heartbeat } from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";
import { refuseStall, stallBefore } from "../../src/worker/stall.ts";

const LIFE_MS = 3000;
const keys = runKeys("r");

type End = Pick<Heartbeat, "step" | "computed">;

/** Functions of a rank that end one after the other: which of them was refused, and with what. */
async function refusal(
  name: string,
  endOf: (generation: number) => End,
  generations: number,
): Promise<{ readonly generation: number; readonly code: string; readonly message: string } | undefined> {
  const storage = await openStorage(`memory:stall-${name}`);
  const place = { storage, keys, attempt: 0, rank: 2 };
  for (let generation = 0; generation < generations; generation++) {
    const beat = { rank: 2, ...endOf(generation), stall: await stallBefore(place, generation) };
    await putJson(storage, keys.heartbeat(0, 2, generation), beat);
    try {
      refuseStall(beat, LIFE_MS);
    } catch (error) {
      const { code, message } = error as { readonly code: string; readonly message: string };
      return { generation, code, message };
    }
  }
  return undefined;
}

test("the tenth function in a row that cannot compute its part of the first step says that they live too shortly", async () => {
  const refused = await refusal("slow", () => ({ step: 0, computed: false }), 20);
  assert.deepEqual([refused?.generation, refused?.code], [9, "timeout-too-short"]);
  assert.match(refused!.message, /worker 2: expected one of 10 functions .* step 0 in its life of 3/);
});

test("whoever has computed its part waits for peers, and proves nothing of its own pace", async () => {
  const endOf = (generation: number) => ({ step: 0, computed: generation % 9 === 8 });
  assert.equal(await refusal("waits", endOf, 100), undefined);
});

test("where steps were finished, functions go on for half an hour in one step", async () => {
  const endOf = (generation: number) => ({ step: Math.min(generation, 5), computed: false });
  const refused = await refusal("stands", endOf, 1000);
  // The fifth function finished the last step.
  assert.deepEqual([refused?.generation, refused?.code], [5 + 600, "run-stalled"]);
});

test("a step that is finished now and then is enough", async () => {
  const endOf = (generation: number) => ({ step: Math.floor(generation / 500), computed: false });
  assert.equal((await refusal("slowly", endOf, 3000))?.code, "timeout-too-short");
  const later = (generation: number) => ({ step: 1 + Math.floor(generation / 500), computed: false });
  assert.equal(await refusal("later", later, 3000), undefined);
});
