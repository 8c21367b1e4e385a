// What runs inside a function, as ES modules: drivers and fallbacks are chunks that are loaded only when used. Equal sources
// give equal bytes.

import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** `folder`: absolute, or below the package's root. */
export async function bundleFunction(folder: string): Promise<void> {
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: {
      handler: "src/worker/handler.ts",
      "io-thread": "src/allreduce/io-thread/io-thread.ts",
    },
    outdir: folder,
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
}

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
