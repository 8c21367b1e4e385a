#!/usr/bin/env node
import { existsSync } from "node:fs";
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `sltrain needs Node >= 22.19, but this is ${process.version}. In a clone, \`npx sltrain\` brings its own.`,
  );
  process.exit(1);
}
if (!existsSync(new URL("../dist/src/commands", import.meta.url))) {
  console.error("sltrain is not built here. Run `npm run build` in its folder first (`npm ci` does it too).");
  process.exit(1);
}
// A reader that has seen enough (`| head`) closes the pipe: that is no failure.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
// What modules compile to is kept for the next start. An old Node, refused above, has no such function to link to.
const { enableCompileCache } = await import("node:module");
enableCompileCache();
const { execute } = await import("@oclif/core");
await execute({ dir: import.meta.url });
