// `npm run build`: dist/ from src/. tsc emits the command-line tool and the types; esbuild bundles what runs inside a
// function, with drivers and fallbacks as chunks that are loaded only when used; oclif's manifest spares the tool
// from importing every command at start.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { Plugin } from "@oclif/core";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});

await esbuild.build({
  entryPoints: { handler: "src/worker/handler.ts" },
  outdir: "dist/function",
  outExtension: { ".js": ".mjs" },
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  minify: true,
  keepNames: true,
  legalComments: "none",
  format: "esm",
  platform: "node",
  target: "node22",
  // The fallback for runtimes without native zstd; every Node that this bundle targets has it.
  external: ["zstd-codec"],
});

rmSync("oclif.manifest.json", { force: true });
const plugin = new Plugin({ root, type: "core", ignoreManifest: true, errorOnManifestCreate: true });
await plugin.load();
writeFileSync("oclif.manifest.json", JSON.stringify(plugin.manifest));
