// redis-server in memory, without persistence. More arguments, such as `--maxmemory 10mb`, come after ours and win.

import { freePort, listens, startServer, type TestServer } from "./server.ts";

export function startRedis(more: readonly string[] = [], onPort?: number): Promise<TestServer> {
  return startServer("redis", async (home) => {
    const port = onPort ?? (await freePort());
    home.start("redis-server", [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", home.folder],
      ...["--save", "", "--appendonly", "no", "--maxmemory", "2gb", "--maxmemory-policy", "noeviction"],
      ...more,
    ]);
    await home.ready(() => listens(port));
    return { uri: `redis://127.0.0.1:${port}`, env: {} };
  });
}
