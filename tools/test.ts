// `npm test [files]`: does all its own set-up (system packages, a fresh build), then runs the test files with Node's
// own runner. SLTRAIN_TEST_REQUIRE=all turns a missing requirement from a skipped test into a failure.
import { spawnSync } from "node:child_process";
import { installRequirements, missingRequirements } from "./requirements.ts";

installRequirements();
const missing = missingRequirements();
if (process.env.SLTRAIN_TEST_REQUIRE === "all" && missing.length > 0) {
  console.error(`SLTRAIN_TEST_REQUIRE=all, but missing: ${missing.join(", ")}`);
  process.exit(1);
}
const files = process.argv.slice(2);
const run = (...args: string[]): number =>
  spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
process.exitCode =
  run("tools/build.ts") || run("--test", ...(files.length > 0 ? files : ["test/**/*.test.ts"]));
