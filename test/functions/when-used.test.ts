import assert from "node:assert/strict";
import { test } from "node:test";
import type { Functions } from "../../src/functions/functions.ts";
import { whenUsed } from "../../src/functions/when-used.ts";

/** What it was asked, in order. */
function recorded(): Functions & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    invoke: (event) => Promise.resolve(void asked.push(JSON.stringify(event))),
    close: () => Promise.resolve(void asked.push("close")),
  };
}

test("functions that nobody invokes are not opened", async () => {
  const functions = whenUsed(() => Promise.reject(new Error("was opened")));
  await functions.close();
});

test("functions are opened once, by the first invocation, and closed", async () => {
  const inner = recorded();
  let opened = 0;
  const functions = whenUsed(() => Promise.resolve((opened++, inner)));
  assert.equal(opened, 0);
  await Promise.all([functions.invoke({ a: 1 }), functions.invoke({ a: 2 })]);
  await functions.close();
  assert.equal(opened, 1);
  assert.deepEqual(inner.asked, ['{"a":1}', '{"a":2}', "close"]);
});

test("an invocation throws what opening throws, and closing does not", async () => {
  const functions = whenUsed(() => Promise.reject(new Error("no such scheme")));
  await assert.rejects(functions.invoke({}), /no such scheme/);
  await functions.close();
});
