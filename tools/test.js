// `npm test`: runs the test files with Node's own runner.
import { spawnSync } from "node:child_process";

const files = process.argv.slice(2);
const result = spawnSync(
  process.execPath,
  ["--test", ...(files.length > 0 ? files : ["test/**/*.test.ts"])],
  { stdio: "inherit" },
);
process.exitCode = result.status ?? 1;
