// Functions for the service's tests: each does one thing that Lambda has a rule for.
import console from "node:console";
import { appendFile, readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

let calls = 0;

export const echo = (event, context) => {
  console.log(`echo ${event.word}`);
  return { event, pid: process.pid, calls: ++calls, requestId: context.awsRequestId, context };
};

/** Remaining time is asked for in the handler: it has no meaning afterwards. */
export const remaining = async (event, context) => {
  await sleep(event.ms);
  return context.getRemainingTimeInMillis();
};

export const sleeps = async (event) => {
  await sleep(event.ms);
  return event;
};

export const throws = () => {
  throw new RangeError("expected a smaller number, got 7");
};

export const exits = (event) => process.exit(event.code);

export const kills = () => process.kill(process.pid, "SIGKILL");

export const fills = async (event) => {
  const held = [];
  for (let mib = 0; mib < event.mib; mib += 16) {
    held.push(new Uint8Array(16 << 20).fill(1));
    await sleep(1);
  }
  return held.length;
};

export const answersWith = (event) => "x".repeat(event.bytes);

export const computes = (event) => {
  const end = process.cpuUsage().user / 1000 + event.cpuMs;
  const begin = performance.now();
  while (process.cpuUsage().user / 1000 < end);
  return performance.now() - begin;
};

/** Leaves a line for each call in a file, and fails until there are `event.failures` of them. */
export const counts = async (event, context) => {
  await appendFile(event.path, `${context.awsRequestId}\n`);
  const lines = (await readFile(event.path, "utf8")).trim().split("\n");
  if (lines.length <= event.failures) throw new Error("not yet");
  return lines;
};

export const environment = () => process.env;

/** Its promise is lost, or it throws where nobody catches. */
export const strays = async (event) => {
  if (event.as === "rejection") void Promise.reject(new TypeError("nobody waits"));
  else {
    process.nextTick(() => {
      throw new TypeError("nobody catches");
    });
  }
  await sleep(5000);
};
