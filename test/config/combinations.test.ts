import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseConflicts } from "../../src/config/combinations.ts";
import { defaultsFor } from "../../src/config/model-defaults.ts";
import type { TrainConfig, TrainConfigInput } from "../../src/config/schema.ts";

const configOf = (changes: TrainConfigInput): TrainConfig =>
  ({ ...defaultsFor(), workers: 4, ...changes }) as TrainConfig;

test("settings that go together are let through", () => {
  for (const changes of [{}, { sync: "asp", compress: "top-k:1%" }, { compress: "powersgd:2" }])
    refuseConflicts(configOf(changes));
});

test("two settings that do not go together are named, with the reason", () => {
  const refused: readonly (readonly [TrainConfigInput, RegExp])[] = [
    [{ sync: "asp", algorithm: "diloco" }, /--sync asp with --algorithm diloco/],
    [
      { sync: "ssp", compress: "powersgd:2" },
      /--sync ssp with --compress powersgd:2: powersgd has all workers meet/,
    ],
  ];
  for (const [changes, message] of refused)
    assert.throws(() => refuseConflicts(configOf(changes)), { code: "config-conflict", message });
});
