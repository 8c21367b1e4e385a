#!/usr/bin/env node
// Runs the commands from src/ as they are (Node strips the types). Workers still run dist's bundle: build it first.
import { readFileSync } from "node:fs";
import { execute } from "@oclif/core";

const pjson = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
pjson.oclif.commands = "./src/commands";
pjson.oclif.hooks = { command_not_found: "./src/hooks/command-not-found" };
await execute({
  development: true,
  dir: import.meta.url,
  loadOptions: { root: new URL("..", import.meta.url).pathname, pjson },
});
