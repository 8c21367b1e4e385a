// `npm run build`: dist/ from src/. tsc emits the command-line tool and the types; esbuild bundles what runs inside a
// function, with drivers and fallbacks as chunks that are loaded only when used; oclif's manifest spares the tool
// from importing every command at start. Nothing is done if dist/ is that of these sources: npm runs this again when
// `npx sltrain` is first used in a clone.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Plugin } from "@oclif/core";
import { bundleFunction } from "./bundle-function.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const STAMP = "dist/sources.sha256";
const stamp = hashOfSources();
if (existsSync(STAMP) && existsSync("oclif.manifest.json") && readFileSync(STAMP, "utf8") === stamp)
  process.exit(0);

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});

// The bench's PyTorch peer is no TypeScript.
copyFileSync("bench/peers/torch-steps.py", "dist/bench/peers/torch-steps.py");

await bundleFunction("dist/function");

rmSync("oclif.manifest.json", { force: true });
const plugin = new Plugin({ root, type: "core", ignoreManifest: true, errorOnManifestCreate: true });
await plugin.load();
writeFileSync("oclif.manifest.json", JSON.stringify(plugin.manifest));
// Last: a build that was cut short has none.
writeFileSync(STAMP, stamp);

function hashOfSources(): string {
  const inFolders = ["src", "bench"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const single = [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "tools/build.ts",
    "tools/bundle-function.ts",
  ];
  const hash = createHash("sha256");
  for (const file of [...single, ...inFolders.sort()]) {
    if (statSync(file).isFile()) hash.update(`${file}\n`).update(readFileSync(file));
  }
  return hash.digest("hex");
}
