// `npm run servers`: starts the servers that tests use and a Lambda of this machine on top of them, prints how to reach
// them, and stops them on Ctrl-C: for benches and trials by hand. What it prints is also in .sltrain/servers.env meanwhile:
// another shell takes it with `. .sltrain/servers.env`.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serveLambda, serveLines } from "../src/providers/local/serve.ts";
import { startServers, stopServers } from "../test/servers/index.ts";
import { missingServers } from "./requirements.ts";

const FOLDER = ".sltrain";
const FILE = join(FOLDER, "servers.env");
const CONCURRENCY = 1000;

const ended = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => ended.abort());
const servers = await startServers();
const exports = Object.assign({}, ...[...servers.values()].map(({ env }) => env)) as Record<string, string>;
// Functions find the servers in their environment.
Object.assign(process.env, exports);
const lines = [
  ...Object.entries(exports).map(([name, value]) => `export ${name}=${value}`),
  ...[...servers.values()].map(({ uri }) => `# ${uri}`),
  ...missingServers().map(
    ({ scheme, aptPackages }) => `# not ${scheme}, which needs: apt-get install ${aptPackages.join(" ")}`,
  ),
];
try {
  await serveLambda({
    ...{ port: 0, concurrency: CONCURRENCY, folder: join(FOLDER, "lambda"), signal: ended.signal },
    region: process.env.AWS_REGION ?? "us-east-1",
    onEvent: (event) => {
      lines.push(...serveLines(event, process.env));
      if (event.event === "lambda.listening") {
        mkdirSync(FOLDER, { recursive: true });
        writeFileSync(FILE, `${lines.join("\n")}\n`);
      }
      console.log(lines.splice(0).join("\n"));
    },
  });
} finally {
  rmSync(FILE, { force: true });
  await stopServers(servers);
}
