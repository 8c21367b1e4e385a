import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { generalDefaults, modelDefaults } from "../../src/config/model-defaults.ts";
import {
  envName,
  flagName,
  trainConfigKeys,
  trainFields,
  type TrainConfigInput,
} from "../../src/config/schema.ts";
import { trainFlags } from "../../src/ui/train-flags.ts";

const code = (value: unknown): string => `\`${String(value)}\``;

function settingsRows(): string[] {
  const defaults: TrainConfigInput = generalDefaults;
  return trainConfigKeys.map((key) => {
    const flag = flagName(key).slice("--".length) in trainFlags ? code(flagName(key)) : "";
    const value = defaults[key] === undefined ? "" : code(defaults[key]);
    const meaning = trainFields[key].description!.replace(/\.$/, "");
    return `| ${code(key)} | ${flag} | ${code(envName(key))} | ${value} | ${meaning} |`;
  });
}

function modelRows(): string[] {
  return Object.entries(modelDefaults).map(([model, defaults]) => {
    const settings = Object.entries(defaults).map(([key, value]) => code(`${key} ${String(value)}`));
    return `| ${code(model)} | ${settings.join(", ")} |`;
  });
}

test("docs/configuration.md lists every setting with its flag, variable, default and meaning", async () => {
  const text = await readFile(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  // Formatting pads the cells of a table.
  const plain = (line: string): string => line.replace(/ +/g, " ");
  const rows = text.split("\n").map(plain);
  for (const expected of [settingsRows(), modelRows()]) {
    const missing = expected.filter((row) => !rows.includes(plain(row)));
    assert.deepEqual(missing, [], `docs/configuration.md should hold\n${expected.join("\n")}\n`);
  }
});
