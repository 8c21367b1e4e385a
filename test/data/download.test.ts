import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { download } from "../../src/data/download.ts";
import type { DataProgress, OnProgress } from "../../src/data/progress.ts";
import { temporaryFolder } from "./files.ts";

const content = Buffer.from("ten thousand images");
const contentSha256 = createHash("sha256").update(content).digest("hex");
const remedies = ["Connect to the network."];

/** Serves bodies by path; other paths are 404. Returns the base URL and the paths asked for. */
async function serve(t: TestContext, bodies: Record<string, Uint8Array>) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const body = bodies[request.url!];
    response.writeHead(body ? 200 : 404).end(body);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close().closeAllConnections());
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

test("a download is checked by its content, whatever gzip made of it, and kept as it came", async (t) => {
  for (const body of [content, gzipSync(content, { level: 1 }), gzipSync(content, { level: 9 })]) {
    const { base } = await serve(t, { "/a": body });
    const path = join(temporaryFolder(t), "deep", "folder", "a");
    await download({ urls: [`${base}/a`], contentSha256, path, remedies });
    assert.deepEqual(readFileSync(path), Buffer.from(body));
  }
});

test("the second mirror is asked if the first has nothing, or something else", async (t) => {
  const { base, asked } = await serve(t, { "/wrong": Buffer.from("other images"), "/a": content });
  const path = join(temporaryFolder(t), "a");
  await download({ urls: [`${base}/none`, `${base}/wrong`, `${base}/a`], contentSha256, path, remedies });
  assert.deepEqual(asked, ["/none", "/wrong", "/a"]);
  assert.deepEqual(readFileSync(path), content);
});

test("a failed download says what each mirror said and what to do, and leaves no file", async (t) => {
  const folder = temporaryFolder(t);
  const { base } = await serve(t, {
    "/wrong": Buffer.from("other images"),
    "/cut": gzipSync(content).subarray(0, 20),
  });
  const urls = [`${base}/none`, `${base}/wrong`, `${base}/cut`, "http://127.0.0.1:1/refused"];
  await assert.rejects(download({ urls, contentSha256, path: join(folder, "a"), remedies }), {
    code: "download-failed",
    message:
      /none: expected HTTP 200, got 404; .*wrong: expected content of sha256 .*cut: .*unexpected end.*refused: .*ECONNREFUSED/,
    suggestions: remedies,
  });
  assert.deepEqual(readdirSync(folder), []);
});

test("a file that is there is not fetched again", async (t) => {
  const { base, asked } = await serve(t, { "/a": content });
  const path = join(temporaryFolder(t), "a");
  for (let i = 0; i < 2; i++) await download({ urls: [`${base}/a`], contentSha256, path, remedies });
  assert.deepEqual(asked, ["/a"]);
});

/** A megabyte that no two ranges of which are equal. */
const large = Buffer.from(Uint32Array.from({ length: 2 ** 18 }, (_, i) => i).buffer);
const largeSha256 = createHash("sha256").update(large).digest("hex");

interface Flaky {
  /** Bytes after which each answer's connection breaks. */
  readonly breakAfter: number;
  readonly takesRanges?: boolean;
  etag: string;
}

/** Serves `large` at every path, some bytes an answer. Returns the URL and the first byte of each answer. */
async function serveFlaky(t: TestContext, flaky: Flaky) {
  const begins: number[] = [];
  const server = createServer((request, response) => {
    const { range, "if-range": ifRange } = request.headers;
    const asked = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const begin = flaky.takesRanges !== false && ifRange === flaky.etag ? asked : 0;
    begins.push(begin);
    response.writeHead(begin > 0 ? 206 : 200, {
      etag: flaky.etag,
      "content-length": large.length - begin,
      ...(begin > 0 && { "content-range": `bytes ${begin}-${large.length - 1}/${large.length}` }),
    });
    const end = begin + flaky.breakAfter;
    response.write(large.subarray(begin, end), () => {
      if (end >= large.length) response.end();
      else setTimeout(() => response.socket?.destroy(), 20);
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/large`, begins };
}

test("a download goes on where the connection broke", async (t) => {
  const { url, begins } = await serveFlaky(t, { breakAfter: 300_000, etag: '"1"' });
  const folder = temporaryFolder(t);
  const path = join(folder, "large");
  await download({ urls: [url], fileSha256: largeSha256, path, remedies });
  assert.deepEqual(readFileSync(path), large);
  assert.equal(begins[0], 0);
  assert.ok(
    begins.length >= 4 && begins.every((begin, i) => i === 0 || begin > begins[i - 1]!),
    String(begins),
  );
  assert.deepEqual(readdirSync(folder), ["large"]);
});

test("a download tells what has come, of how much, and where it was taken up again", async (t) => {
  const { url, begins } = await serveFlaky(t, { breakAfter: 300_000, etag: '"1"' });
  const path = join(temporaryFolder(t), "large");
  const told: DataProgress[] = [];
  const onProgress: OnProgress = (progress) => told.push(progress);
  await download({ urls: [url], fileSha256: largeSha256, path, remedies, onProgress });
  const fetched = told.filter((progress) => progress.phase === "fetching");
  assert.equal(fetched.length, told.length);
  assert.deepEqual([...new Set(fetched.map(({ resumedFromBytes }) => resumedFromBytes))], begins);
  assert.ok(fetched.every(({ bytes }, i) => i === 0 || bytes >= fetched[i - 1]!.bytes));
  assert.deepEqual(fetched.at(-1), {
    ...{ phase: "fetching", file: "large", bytes: large.length, totalBytes: large.length },
    resumedFromBytes: begins.at(-1),
  });
});

test("a server that says neither how much it sends nor takes ranges is told so of", async (t) => {
  const server = createServer((_, response) => {
    response.write(content.subarray(0, 5), () => response.end(content.subarray(5)));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a`;
  const told: DataProgress[] = [];
  const path = join(temporaryFolder(t), "a");
  await download({
    ...{ urls: [url], contentSha256, path, remedies },
    onProgress: (progress) => told.push(progress),
  });
  assert.deepEqual(told.at(-1), {
    ...{ phase: "fetching", file: "a", bytes: content.length, totalBytes: null, resumedFromBytes: 0 },
  });
});

test("another process goes on with what has come, unless the server has another version by now", async (t) => {
  const flaky = { breakAfter: 2 ** 20, etag: '"2"' };
  const { url, begins } = await serveFlaky(t, flaky);
  const folder = temporaryFolder(t);
  const path = join(folder, "large");
  const leave = (etag: string) => {
    writeFileSync(`${path}.part`, large.subarray(0, 5000));
    writeFileSync(`${path}.part.json`, JSON.stringify({ url, validator: etag }));
  };
  leave('"2"');
  await download({ urls: [url], fileSha256: largeSha256, path, remedies });
  leave('"1"');
  await download({ urls: [url], fileSha256: largeSha256, path: path + "2", remedies });
  writeFileSync(`${path}3.part`, large.subarray(0, 5000));
  await download({ urls: [url], fileSha256: largeSha256, path: path + "3", remedies });
  assert.deepEqual(begins, [5000, 0, 0]);
  for (const name of ["", "2", "3"]) assert.deepEqual(readFileSync(path + name), large);
});

test("a server that never sends more is given up, and what has come stays for the next time", async (t) => {
  const { url } = await serveFlaky(t, { breakAfter: 1000, takesRanges: false, etag: '"1"' });
  const path = join(temporaryFolder(t), "large");
  await assert.rejects(download({ urls: [url], fileSha256: largeSha256, path, remedies }), {
    code: "download-failed",
    retryable: true,
  });
  assert.ok(existsSync(`${path}.part`) && !existsSync(path));
});

test("a file whose sha256 nobody knows is trusted once, and must be the same ever after", async (t) => {
  const folder = temporaryFolder(t);
  const bodies: Record<string, Uint8Array> = { "/a": content };
  const { base } = await serve(t, bodies);
  const path = join(folder, "a");
  await download({ urls: [`${base}/a`], path, remedies });
  assert.equal(readFileSync(`${path}.sha256`, "utf8"), `${contentSha256}\n`);
  rmSync(path);
  await download({ urls: [`${base}/a`], path, remedies });
  rmSync(path);
  bodies["/a"] = Buffer.from("other images");
  await assert.rejects(download({ urls: [`${base}/a`], path, remedies }), {
    code: "download-failed",
    message:
      /expected a file of sha256 [0-9a-f]{64}, as the first time \(.*a\.sha256; remove it to trust this one\), got/,
  });
  assert.ok(!existsSync(path));
});
