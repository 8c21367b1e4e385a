import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { trainFields } from "../../src/config/schema.ts";
import { builtinModels } from "../../src/models/builtin.ts";
import { layerSchemas } from "../../src/models/keras-layers.ts";
import { activations } from "../../src/models/topology.ts";

const names = builtinModels.map(({ name }) => name);

async function read(path: string): Promise<string> {
  // Formatting breaks lines and pads the cells of a table.
  return (await readFile(new URL(`../../${path}`, import.meta.url), "utf8")).replace(/\s+/g, " ");
}

test("docs/models.md lists every model with its description, every layer and every activation", async () => {
  const text = await read("docs/models.md");
  for (const { name, description } of builtinModels) {
    assert.ok(text.includes(`| \`${name}\` | ${description} |`), `| \`${name}\` | ${description} |`);
  }
  assert.ok(
    text.includes(`Layers: ${Object.keys(layerSchemas).join(", ")}.`),
    Object.keys(layerSchemas).join(),
  );
  assert.ok(text.includes(`Activations: ${activations.join(", ")}.`), activations.join());
});

test("README.md and --help name every model", async () => {
  assert.ok((await read("README.md")).includes(names.map((name) => `\`${name}\``).join(", ")));
  assert.ok(trainFields.model.description!.includes(names.join(", ")), trainFields.model.description);
});
