import assert from "node:assert/strict";
import { test } from "node:test";
import { openChannel, openStorage } from "../../src/storage/open.ts";

test("a URI opens the driver of its scheme", async () => {
  assert.equal((await openStorage("memory:open")).uri, "memory:open");
  assert.equal((await openChannel("memory:open")).uri, "memory:open");
  assert.equal((await openStorage("fs:some/where")).uri, "fs:some/where");
});

test("an unknown scheme, no scheme and no location are errors that name the known forms", async () => {
  for (const uri of ["ftp:there", ".sltrain", "fs:", "", "constructor:x"]) {
    await assert.rejects(openStorage(uri), (error: Error) => {
      assert.match(error.message, /expected one of fs:PATH, .*, but/);
      assert.ok(error.message.includes(JSON.stringify(uri)));
      return true;
    });
  }
});

test("an error about a URI does not show its password", async () => {
  await assert.rejects(openChannel("reddis://user:p@ss/word@host:1/2"), (error: Error) => {
    assert.ok(!error.message.includes("word") && !error.message.includes("p@ss"), error.message);
    assert.match(error.message, /reddis:\/\/host:1/);
    return true;
  });
});
