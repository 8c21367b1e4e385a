// memcached with room for 2 GiB. More arguments, such as `-m 16 -I 1m`, come after ours and win.

import { freePort, listens, startServer, type TestServer } from "./server.ts";

export function startMemcached(more: readonly string[] = [], onPort?: number): Promise<TestServer> {
  return startServer("memcached", async (home) => {
    const port = onPort ?? (await freePort());
    home.start("memcached", [
      ...["-l", "127.0.0.1", "-p", `${port}`, "-U", "0", "-u", "root"],
      ...["-m", "2048", "-I", "128m", "-c", "4096", "-t", "2"],
      ...more,
    ]);
    await home.ready(() => listens(port));
    return { uri: `memcached://127.0.0.1:${port}`, env: {} };
  });
}
