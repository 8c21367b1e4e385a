// `npm test [files]`: does all its own set-up (system packages, a fresh build, servers), then runs the test files with
// Node's own runner; named files start the servers they need themselves. SLTRAIN_TEST_REQUIRE=all turns a missing
// requirement from a skipped test into a failure. SLTRAIN_TEST_RIC=1 builds AWS's runtime client and tests it as well.
import { spawn, type ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { SERVERS_VARIABLE, startServers, stopServers } from "../test/servers/index.ts";
import { buildAwsLambdaRic } from "./aws-lambda-ric.ts";
import { installRequirements, missingRequirements } from "./requirements.ts";

installRequirements();
if (process.env.SLTRAIN_TEST_RIC === "1") buildAwsLambdaRic();
const missing = missingRequirements();
if (process.env.SLTRAIN_TEST_REQUIRE === "all" && missing.length > 0) {
  console.error(`SLTRAIN_TEST_REQUIRE=all, but missing: ${missing.join(", ")}`);
  process.exit(1);
}

let child: ChildProcess | undefined;
// What is running ends first; the servers are then stopped in order.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child?.kill(signal));

const files = process.argv.slice(2);
const failed =
  (await run("tools/build.ts")) || (files.length > 0 ? await run("--test", ...files) : await runAll());
process.exitCode = failed;

async function runAll(): Promise<number> {
  const servers = await startServers();
  try {
    const addresses = Object.fromEntries([...servers].map(([name, { uri, env }]) => [name, { uri, env }]));
    process.env[SERVERS_VARIABLE] = JSON.stringify(addresses);
    // Many tests wait rather than compute; Node's own choice leaves a core to nobody.
    return await run("--test", `--test-concurrency=${availableParallelism()}`, "test/**/*.test.ts");
  } finally {
    await stopServers(servers);
  }
}

function run(...args: string[]): Promise<number> {
  const running = (child = spawn(process.execPath, args, { stdio: "inherit" }));
  return new Promise((resolve) => running.once("exit", (code) => resolve(code ?? 1)));
}
