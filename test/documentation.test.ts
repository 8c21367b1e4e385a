import assert from "node:assert/strict";
import { access, glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

test("every relative link in the documentation leads to a file", async () => {
  for await (const name of glob(["*.md", "docs/**/*.md"], { cwd: root })) {
    const text = await readFile(join(root, name), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      await assert.doesNotReject(access(join(root, dirname(name), target!)), `${name} links to ${target!}`);
    }
  }
});
