import assert from "node:assert/strict";
import { test } from "node:test";
import { remediesFor } from "../../src/coordinator/worker-error.ts";

test("what Lambda prints of a function that it ended is answered with what would have kept it alive", () => {
  const timedOut = ["START RequestId: a", "a Task timed out after 3.00 seconds"];
  const outOfMemory = ["REPORT RequestId: a\tStatus: error\tError Type: Runtime.OutOfMemory"];
  assert.match(remediesFor(timedOut).join(), /^Functions had too little time: use a longer --timeout-s/);
  assert.match(
    remediesFor(outOfMemory).join(),
    /^Functions had too little memory: use a larger --memory-mib/,
  );
  assert.equal(remediesFor([...timedOut, ...outOfMemory]).length, 2);
  assert.deepEqual(remediesFor(["training"]), []);
});
