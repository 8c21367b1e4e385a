// Puts off what a driver costs: most workers start no other one, and the SDK takes longer to load than all the rest of a
// worker.

import type { Functions } from "./functions.ts";

/** What `open` gives, from the first invocation on. What it throws, invocations throw. */
export function whenUsed(open: () => Promise<Functions>): Functions {
  let opened: Promise<Functions> | undefined;
  return {
    async invoke(event) {
      opened ??= open();
      await (await opened).invoke(event);
    },
    async close() {
      const [outcome] = await Promise.allSettled([opened]);
      if (outcome.status === "fulfilled") await outcome.value?.close();
    },
  };
}
