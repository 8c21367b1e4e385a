// `npm run bench:stores -- --results bench/results/exchange.json`: `sltrain bench exchange` over every store that tests
// use, and over parameter servers, one after the other: nothing else should run beside it. --stores fs,redis,… and
// --bytes 12MB choose; the reports of other stores stay in the file.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type ServerName, startServers, stopServers } from "../test/servers/index.ts";

const PS_TOKEN = "bench";
/** dynalite is JavaScript and has one thread: 89 MB in items of 400 KB would time it alone. */
const MOST_BYTES: Readonly<Record<string, readonly string[]>> = { dynamodb: ["12MB"] };

const { values: options } = parseArgs({
  options: {
    results: { type: "string" },
    stores: { type: "string", default: "fs,shm,redis,memcached,s3,dynamodb,ps,ps:2" },
    bytes: { type: "string", default: "12MB,89MB" },
    workers: { type: "string", default: "4,8" },
    compress: { type: "string", default: "f32,bf16,int8" },
    rounds: { type: "string", default: "10" },
    "bucket-bytes": { type: "string", default: "26214400" },
  },
});

type Reports = Record<string, unknown>;
const { results } = options;
const reports: Reports =
  results !== undefined && existsSync(results) ? (JSON.parse(readFileSync(results, "utf8")) as Reports) : {};
for (const store of options.stores.split(",")) {
  reports[store] = await timed(store);
  if (results === undefined) console.log(JSON.stringify({ [store]: reports[store] }));
  else writeFileSync(results, `${JSON.stringify(reports)}\n`);
}

async function timed(store: string): Promise<unknown> {
  const folder = mkdtempSync(join(store === "shm" ? "/dev/shm" : tmpdir(), "sltrain-stores-"));
  const close: (() => unknown)[] = [() => rmSync(folder, { recursive: true })];
  try {
    if (store === "fs" || store === "shm") return exchange(store, `fs:${folder}`, {});
    if (store.startsWith("ps")) {
      const started = await Promise.all(Array.from({ length: Number(store.slice(3) || 1) }, parameterServer));
      close.push(...started.map(({ stop }) => stop));
      const addresses = started.map(({ uri }) => uri.slice("ps://".length)).join(",");
      return exchange(store, `ps://${addresses}`, { SLTRAIN_PS_TOKEN: PS_TOKEN });
    }
    const servers = await startServers([store as ServerName]);
    close.push(() => stopServers(servers));
    const [server] = servers.values();
    if (server === undefined) throw new Error(`${store}: no such store, or its server is not installed`);
    return exchange(store, server.uri, server.env);
  } finally {
    for (const end of close.reverse()) await end();
  }
}

function exchange(store: string, uri: string, env: Readonly<Record<string, string>>): unknown {
  const reduce = store.startsWith("ps") ? "ps" : "scatter-reduce,textbook";
  const bytes = (MOST_BYTES[store] ?? options.bytes.split(",")).join(",");
  const { workers, compress, rounds } = options;
  const flags = {
    ...{ storage: uri, reduce, bytes, workers, compress, rounds, zstd: "off" },
    "bucket-bytes": options["bucket-bytes"],
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  console.error(`sltrain bench exchange ${args.join(" ")}`);
  const output = execFileSync(process.execPath, ["bin/run.js", "bench", "exchange", ...args, "--json"], {
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 26,
    encoding: "utf8",
  });
  return JSON.parse(output);
}

async function parameterServer(): Promise<{ uri: string; stop: () => Promise<unknown> }> {
  const server = spawn(process.execPath, ["bin/run.js", "ps", "serve", "--port", "0", "--json"], {
    env: { ...process.env, SLTRAIN_PS_TOKEN: PS_TOKEN },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  for await (const line of createInterface({ input: server.stdout })) {
    const { uri } = JSON.parse(line) as { uri: string };
    return { uri, stop: () => (server.kill("SIGTERM"), exited) };
  }
  throw new Error("sltrain ps serve ended before it listened");
}
