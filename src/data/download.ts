// Fetches a file from the first mirror that has it, checks it and puts it into place: it is there whole, or not at all.
// What has come so far lies beside it (.part), and the next attempt, also of another process, goes on from there.

import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Dispatcher } from "undici";
import { SltrainError } from "../errors.ts";
import type { OnProgress } from "./progress.ts";

export interface Download {
  /** Mirrors of one file, tried in this order. */
  readonly urls: readonly string[];
  /** sha256 (hex) of the file as it is fetched. */
  readonly fileSha256?: string | undefined;
  /**
   * sha256 (hex) of the content, which is what a gzip file holds. Where neither is known, the first file is trusted, its
   * sha256 is kept beside it (.sha256), and a later one must be the same.
   */
  readonly contentSha256?: string | undefined;
  /** Where it goes. A file that is already there stays. */
  readonly path: string;
  /** What the user can do if no mirror has it. */
  readonly remedies: readonly string[];
  readonly onProgress?: OnProgress | undefined;
}

const TIMEOUT_MS = 15_000;
/** A connection that breaks is taken up again as long as bytes come; this often where none do. */
const FRUITLESS_ATTEMPTS = 3;
const MAX_REDIRECTIONS = 5;

/** @throws SltrainError "download-failed" with what each mirror said, "disk-full". */
export async function download(job: Download): Promise<void> {
  const { urls, path, remedies } = job;
  if (existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  const failures: string[] = [];
  for (const url of urls) {
    const part = new Part(path, url);
    try {
      await fetchWhole(url, part, job);
      await check(part, job);
      await rename(part.path, path);
      await part.forget();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOSPC") throw diskFull(path, error);
      failures.push(`${url}: ${reasonOf(error)}`);
    }
  }
  throw new SltrainError({
    code: "download-failed",
    message: `expected to download ${path}, got ${failures.join("; ")}`,
    suggestions: remedies,
    retryable: true,
  });
}

/** A refused connection to several addresses is an AggregateError without a message. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}

interface PartFacts {
  readonly url: string;
  /** What tells the server's version of the file: a strong ETag, or else its date. */
  readonly validator: string;
}

/** What has come of a file, and of which version of it. */
class Part {
  readonly path: string;
  readonly #factsPath: string;
  readonly #url: string;

  constructor(path: string, url: string) {
    this.path = `${path}.part`;
    this.#factsPath = `${path}.part.json`;
    this.#url = url;
  }

  /** Bytes that are there; 0 if they came from another place. */
  async resumable(): Promise<{ readonly sizeBytes: number; readonly validator: string }> {
    try {
      const { url, validator } = JSON.parse(await readFile(this.#factsPath, "utf8")) as PartFacts;
      const { size } = await stat(this.path);
      return url === this.#url && validator !== "" ? { sizeBytes: size, validator } : NOTHING;
    } catch {
      // No part, or none that says what it is of: it is fetched from the beginning.
      return NOTHING;
    }
  }

  async begin(validator: string): Promise<void> {
    await writeFile(this.path, "");
    await writeFile(this.#factsPath, JSON.stringify({ url: this.#url, validator } satisfies PartFacts));
  }

  async forget(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.#factsPath, { force: true });
  }
}

const NOTHING = { sizeBytes: 0, validator: "" };

async function fetchWhole(url: string, part: Part, job: Download): Promise<void> {
  // Loaded here: whoever has the data never pays for an HTTP client.
  const { Agent, interceptors } = await import("undici");
  const agent = new Agent();
  const client = agent.compose(interceptors.redirect({ maxRedirections: MAX_REDIRECTIONS }));
  try {
    let fruitless = 0;
    for (;;) {
      const before = (await part.resumable()).sizeBytes;
      try {
        await fetchRest(url, part, client, job);
        return;
      } catch (error) {
        const isFinal = error instanceof Refusal || (error as NodeJS.ErrnoException).code === "ENOSPC";
        if (isFinal) throw error;
        fruitless = (await part.resumable()).sizeBytes > before ? 0 : fruitless + 1;
        if (fruitless === FRUITLESS_ATTEMPTS) throw error;
      }
    }
  } finally {
    await agent.close();
  }
}

/** An answer that would be the same at another attempt. */
class Refusal extends Error {}

async function fetchRest(
  url: string,
  part: Part,
  client: Dispatcher,
  { path, onProgress }: Download,
): Promise<void> {
  const { request } = await import("undici");
  const { sizeBytes, validator } = await part.resumable();
  const response = await request(url, {
    dispatcher: client,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    headers: {
      "accept-encoding": "identity",
      ...(sizeBytes > 0 && { range: `bytes=${sizeBytes}-`, "if-range": validator }),
    },
  });
  const { statusCode, headers, body } = response;
  const header = (name: string) => String(headers[name] ?? "");
  if (statusCode === 416) {
    // Nothing is left to send: the part is the whole file, or what is no part of it.
    await body.dump();
    if (header("content-range") === `bytes */${sizeBytes}`) return;
    await part.forget();
    throw new Error("the server has less of it than has come");
  }
  if (statusCode !== 200 && statusCode !== 206) {
    await body.dump();
    throw new Refusal(`expected HTTP 200, got ${statusCode}`);
  }
  const isRest = statusCode === 206 && header("content-range").startsWith(`bytes ${sizeBytes}-`);
  if (statusCode === 206 && !isRest) {
    await body.dump();
    throw new Refusal(`expected bytes from ${sizeBytes} on, got ${header("content-range")}`);
  }
  // A weak ETag may stay the same while bytes change.
  const etag = header("etag");
  if (!isRest) await part.begin(etag.startsWith('"') ? etag : header("last-modified"));
  const begin = isRest ? sizeBytes : 0;
  const expected =
    headers["content-length"] === undefined ? undefined : begin + Number(headers["content-length"]);
  const file = await open(part.path, "r+");
  const tell = (bytes: number) =>
    onProgress?.({
      ...{ phase: "fetching", file: basename(path), bytes },
      ...{ totalBytes: expected ?? null, resumedFromBytes: begin },
    });
  try {
    let at = begin;
    tell(at);
    for await (const chunk of body as AsyncIterable<Buffer>) {
      await file.write(chunk, 0, chunk.length, at);
      at += chunk.length;
      tell(at);
    }
    if (expected !== undefined && at !== expected) throw new Error(`expected ${expected} bytes, got ${at}`);
  } finally {
    await file.close();
  }
}

async function check(part: Part, { path, fileSha256, contentSha256 }: Download): Promise<void> {
  const refuse = async (problem: string): Promise<never> => {
    await part.forget();
    throw new Error(problem);
  };
  if (contentSha256 !== undefined) {
    const got = await sha256Of(part.path, true).catch((error: unknown) => refuse((error as Error).message));
    if (got !== contentSha256) await refuse(`expected content of sha256 ${contentSha256}, got ${got}`);
    return;
  }
  const got = await sha256Of(part.path, false);
  const trustPath = `${path}.sha256`;
  const trusted = fileSha256 ?? (existsSync(trustPath) ? (await readFile(trustPath, "utf8")).trim() : got);
  if (got !== trusted) {
    const why =
      fileSha256 === undefined ? `, as the first time (${trustPath}; remove it to trust this one)` : "";
    await refuse(`expected a file of sha256 ${trusted}${why}, got ${got}`);
  }
  if (fileSha256 === undefined) await writeFile(trustPath, `${got}\n`);
}

/** @param unpacked of what it holds, where it is a gzip file */
async function sha256Of(path: string, unpacked: boolean): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  const magic = Buffer.alloc(2);
  await file.read(magic, 0, 2, 0);
  await file.close();
  if (unpacked && magic.equals(Buffer.of(0x1f, 0x8b))) {
    await pipeline(createReadStream(path), createGunzip(), hash);
  } else await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function diskFull(path: string, cause: unknown): SltrainError {
  return new SltrainError({
    code: "disk-full",
    message: `${path}.part: expected room for a file that is fetched, got none: the disk is full`,
    cause,
    suggestions: [
      "Free space, or set XDG_CACHE_HOME to a folder of a larger disk, and run again: it goes on from there.",
    ],
  });
}
