// `sltrain/tfjs` as an installed package: the documentation's example and the types, from a project that has sltrain in
// its node_modules. @tensorflow/tfjs is stood in for by its parts, without the backends for browsers.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadTfLayers } from "../../bench/tfjs/layers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const skip = (await loadTfLayers()) === undefined && "@tensorflow/tfjs-layers is not installed";

const project = mkdtempSync(join(tmpdir(), "sltrain-tfjs-"));
after(() => rmSync(project, { recursive: true }));
const packages = join(project, "node_modules");
mkdirSync(join(packages, "@tensorflow", "tfjs"), { recursive: true });
symlinkSync(root, join(packages, "sltrain"));
for (const name of ["tfjs-backend-wasm", "tfjs-core", "tfjs-layers"])
  symlinkSync(join(root, "node_modules", "@tensorflow", name), join(packages, "@tensorflow", name));
const peers = new URL("../../bench/peers/tfjs-core.ts", import.meta.url).href;
writeFileSync(
  join(packages, "@tensorflow", "tfjs", "index.js"),
  `import { completeTfjsCore } from "${peers}";
   await completeTfjsCore();
   export * from "@tensorflow/tfjs-core";
   export * from "@tensorflow/tfjs-layers";`,
);
writeFileSync(
  join(packages, "@tensorflow", "tfjs", "package.json"),
  '{ "type": "module", "main": "index.js" }',
);

function run(...args: readonly string[]) {
  return spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });
}

test("the documentation's example trains", { skip }, () => {
  const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(root, "docs/tfjs.md"), "utf8"))!;
  writeFileSync(join(project, "example.mjs"), example!);
  const { status, stdout, stderr } = run("example.mjs");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /\[ \d+\.\d+, \d+\.\d+ \]/);
});

test("the package has types", () => {
  // tf.js's own types want those of browsers: its users skip them.
  writeFileSync(
    join(project, "consumer.mts"),
    `import { registerKernels, type RegisterOptions } from "sltrain/tfjs";
     const options: RegisterOptions = { revectorize: true };
     const registered: Promise<void> = registerKernels(options);
     await registered;
     // @ts-expect-error
     await registerKernels({ revectorise: true });`,
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const settings = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--lib",
    "es2022",
  ];
  const { status, stdout } = run(tsc, ...settings, "consumer.mts");
  assert.equal(status, 0, stdout);
});
