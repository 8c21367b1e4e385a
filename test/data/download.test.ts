import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { download } from "../../src/data/download.ts";
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
