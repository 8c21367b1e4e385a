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
import * as esbuild from "esbuild";
import { Plugin } from "@oclif/core";

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

await esbuild.build({
  entryPoints: {
    handler: "src/worker/handler.ts",
    "io-thread": "src/allreduce/io-thread/io-thread.ts",
  },
  outdir: "dist/function",
  outExtension: { ".js": ".mjs" },
  // All in one folder: whatever chunk starts the thread finds it beside itself.
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  minify: true,
  keepNames: true,
  legalComments: "none",
  format: "esm",
  platform: "node",
  target: "node22",
  // The SDK's modules can be bundled in part, its CommonJS only as a whole.
  mainFields: ["module", "main"],
  // The fallback for runtimes without native zstd; every Node that this bundle targets has it.
  external: ["zstd-codec"],
  plugins: [{ name: "lean-http", setup: withLeanHttp }],
  // Packages in CommonJS ask for Node's modules with it.
  banner: {
    js: 'import{createRequire as bundleRequire}from"node:module";const require=bundleRequire(import.meta.url);',
  },
});

rmSync("oclif.manifest.json", { force: true });
const plugin = new Plugin({ root, type: "core", ignoreManifest: true, errorOnManifestCreate: true });
await plugin.load();
writeFileSync("oclif.manifest.json", JSON.stringify(plugin.manifest));
// Last: a build that was cut short has none.
writeFileSync(STAMP, stamp);

/**
 * An import of `node:http` makes Node fill in all that it exports, and with it load the whole of undici, for a WebSocket
 * that nobody asked for: 45 ms and 12 MB. Asked for by a call, the same module comes without.
 */
function withLeanHttp(build: esbuild.PluginBuild): void {
  build.onResolve({ filter: /^(node:)?http$/ }, () => ({ path: "http", namespace: "lean-http" }));
  build.onLoad({ filter: /.*/, namespace: "lean-http" }, () => ({
    contents: 'module.exports = process.getBuiltinModule("node:http");',
  }));
}

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
  ];
  const hash = createHash("sha256");
  for (const file of [...single, ...inFolders.sort()]) {
    if (statSync(file).isFile()) hash.update(`${file}\n`).update(readFileSync(file));
  }
  return hash.digest("hex");
}
