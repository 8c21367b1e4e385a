// `npm run servers`: starts the servers that tests use, prints how to reach them, and stops them on Ctrl-C: for benches
// and trials by hand.
import { startServers, stopServers } from "../test/servers/index.ts";

const interrupted = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, resolve);
});
const servers = await startServers();
const exports = Object.assign({}, ...[...servers.values()].map(({ env }) => env)) as Record<string, string>;
for (const [name, value] of Object.entries(exports)) console.log(`export ${name}=${value}`);
for (const { uri } of servers.values()) console.log(`# ${uri}`);
console.log("# Ctrl-C stops them");
const open = setInterval(() => undefined, 60_000);
await interrupted;
clearInterval(open);
await stopServers(servers);
