// Ranks of a bench as processes of their own: the bench's script again, told its rank and where to meet.

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What the ranks answer, by rank. `script` is called with this process's options, --rank N and --channel URI. */
export async function forkRanks<T>(
  script: string,
  worldSize: number,
  channel: string,
): Promise<readonly T[]> {
  const ranks = Array.from({ length: worldSize }, async (_, rank) => {
    const args = [...process.argv.slice(2), "--rank", String(rank), "--channel", channel];
    const [result] = (await once(fork(fileURLToPath(script), args), "message")) as [T];
    return result;
  });
  return Promise.all(ranks);
}

/** Of a rank: tells what it has found, and lets it end. */
export function answer(result: object): void {
  process.send!(result);
  process.disconnect();
}
