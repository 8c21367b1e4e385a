// Fetches a file from the first mirror that has it, checks it and puts it into place: it is there whole, or not at all.

import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { SltrainError } from "../errors.ts";

export interface Download {
  /** Mirrors of one file, tried in this order. */
  readonly urls: readonly string[];
  /** sha256 (hex) of the content, which is what a gzip file holds. */
  readonly contentSha256: string;
  /** Where it goes. A file that is already there stays. */
  readonly path: string;
  /** What the user can do if no mirror has it. */
  readonly remedies: readonly string[];
}

const TIMEOUT_MS = 15_000;

/** @throws SltrainError "download-failed" with what each mirror said. */
export async function download({ urls, contentSha256, path, remedies }: Download): Promise<void> {
  if (existsSync(path)) return;
  const failures: string[] = [];
  for (const url of urls) {
    try {
      const bytes = await fetchChecked(url, contentSha256);
      await writeAtomically(path, bytes);
      return;
    } catch (error) {
      failures.push(`${url}: ${(error as Error).message}`);
    }
  }
  throw new SltrainError({
    code: "download-failed",
    message: `expected to download ${path}, got ${failures.join("; ")}`,
    suggestions: remedies,
    retryable: true,
  });
}

async function fetchChecked(url: string, contentSha256: string): Promise<Buffer> {
  // Loaded here: whoever has the data never pays for an HTTP client.
  const { request } = await import("undici");
  const response = await request(url, { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const bytes = Buffer.from(await response.body.arrayBuffer());
  if (response.statusCode !== 200) throw new Error(`expected HTTP 200, got ${response.statusCode}`);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const content = isGzip ? await promisify(gunzip)(bytes) : bytes;
  const got = createHash("sha256").update(content).digest("hex");
  if (got !== contentSha256) throw new Error(`expected content of sha256 ${contentSha256}, got ${got}`);
  return bytes;
}

async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(unfinished, bytes);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}
