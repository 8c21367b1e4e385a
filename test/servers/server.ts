// A real server for tests: its programs on free loopback ports, in a folder of its own under the temporary files. It
// ends with `stop`, and also when the process that started it is killed.

import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Where a server is. */
export interface ServerAddress {
  /** What a user types behind --storage or --channel. */
  readonly uri: string;
  /** What the environment must hold for that. */
  readonly env: Readonly<Record<string, string>>;
}

export interface TestServer extends ServerAddress {
  /** Ends its programs and removes its folder. */
  stop(): Promise<void>;
}

/** One account for all servers that speak AWS's protocols: a process has one environment. */
export const AWS_ACCOUNT = {
  AWS_ACCESS_KEY_ID: "testkey",
  AWS_SECRET_ACCESS_KEY: "testsecret",
  AWS_REGION: "us-east-1",
};

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 20;
/** They have nothing to save, and ceph-osd waits for a monitor that has gone. */
const TERMINATION_GRACE_MS = 1_000;
const LOG_TAIL_CHARACTERS = 2_000;
/** Runs a program that the kernel ends with its parent, whatever ends that. Linux only. */
const SETPRIV = "/usr/bin/setpriv";

/** Calls `up` with a fresh home; a server that does not come up is stopped before its error is thrown. */
export async function startServer(
  name: string,
  up: (home: ServerHome) => Promise<ServerAddress>,
): Promise<TestServer> {
  const home = new ServerHome(name);
  try {
    return { ...(await up(home)), stop: () => home.stop() };
  } catch (error) {
    await home.stop();
    throw error;
  }
}

/** The folder of one server, and the programs that run in it. */
export class ServerHome {
  readonly folder: string;
  readonly #programs: Program[] = [];

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `sltrain-${name}-`));
  }

  /** Starts what runs until `stop`. */
  start(command: string, args: readonly string[]): void {
    this.#programs.push(new Program(this.folder, command, args));
  }

  /** Runs a program to its end. Throws with its output if it fails. */
  async run(command: string, args: readonly string[]): Promise<void> {
    const program = new Program(this.folder, command, args);
    if ((await program.exited) !== 0) throw program.failure();
  }

  /** Resolves once `isReady` does to true. Throws with the log of a program that ended instead. */
  async ready(isReady: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (!(await isReady())) {
      const ended = this.#programs.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
      if (ended) throw ended.failure();
      if (performance.now() > deadlineMs) throw this.#programs.at(-1)!.failure();
      await sleep(READY_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

class Program {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #command: string;
  readonly #logPath: string;

  constructor(folder: string, command: string, args: readonly string[]) {
    this.#command = command;
    const name = command.split("/").at(-1)!;
    this.#logPath = join(folder, `${name}.${performance.now().toFixed(3)}.log`);
    const log = openSync(this.#logPath, "w");
    const line = existsSync(SETPRIV)
      ? [SETPRIV, "--pdeathsig", "KILL", command, ...args]
      : [command, ...args];
    this.child = spawn(line[0]!, line.slice(1), { cwd: folder, stdio: ["ignore", log, log] });
    closeSync(log);
    this.exited = new Promise((resolve, reject) => {
      this.child.once("exit", resolve);
      this.child.once("error", reject);
    });
    this.exited.catch(() => undefined); // seen by whoever awaits it
  }

  failure(): Error {
    const log = readFileSync(this.#logPath, "utf8").slice(-LOG_TAIL_CHARACTERS);
    return new Error(`${this.#command} did not come up or failed; its log ends with:\n${log}`);
  }

  /** By its pid: SIGTERM first, SIGKILL for what does not listen. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGTERM");
    const last = setTimeout(() => this.child.kill("SIGKILL"), TERMINATION_GRACE_MS);
    await this.exited;
    clearTimeout(last);
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Whether something listens on a port of 127.0.0.1. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
