// AWS's own runtime client, for tests only: it compiles curl for minutes, so it is no dependency, and is built once, into a
// cache, when SLTRAIN_TEST_RIC=1 asks for it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "4.0.2";
const FOLDER = fileURLToPath(new URL("../node_modules/.cache/aws-lambda-ric/", import.meta.url));
const PACKAGE = join(FOLDER, "node_modules/aws-lambda-ric");
const TOOLS = ["autoconf", "automake", "libtoolize", "cmake", "g++", "make"];

/** What Node runs; undefined where it is not built. */
export function awsLambdaRic(): string | undefined {
  // The last thing that its installation makes.
  return existsSync(join(PACKAGE, "rapid-client.node")) ? join(PACKAGE, "index.mjs") : undefined;
}

/** Some minutes, once. Says why if it cannot. */
export function buildAwsLambdaRic(): void {
  if (awsLambdaRic() !== undefined) return;
  const missing = TOOLS.filter((tool) => spawnSync("which", [tool]).status !== 0);
  if (missing.length > 0) {
    console.log(`aws-lambda-ric is not built; it needs ${missing.join(", ")}`);
    return;
  }
  console.log("building aws-lambda-ric: some minutes, once");
  mkdirSync(FOLDER, { recursive: true });
  const manifest = {
    private: true,
    dependencies: { "aws-lambda-ric": VERSION },
    allowScripts: { "aws-lambda-ric": true },
  };
  writeFileSync(join(FOLDER, "package.json"), JSON.stringify(manifest));
  const { status } = spawnSync("npm", ["install", "--no-package-lock"], { cwd: FOLDER, stdio: "inherit" });
  if (status !== 0) console.log(`aws-lambda-ric is not built: npm ended with ${status}`);
}
