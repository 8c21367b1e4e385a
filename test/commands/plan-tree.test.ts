import assert from "node:assert/strict";
import { test } from "node:test";
import { sltrain } from "../support/cli.ts";

test("plan-tree --json prints one object on one line and nothing else", async () => {
  const { code, stdout } = await sltrain(["plan-tree", "--workers", "100", "--json"], process.cwd());
  assert.equal(code, 0);
  assert.equal(
    stdout,
    '{"workers":100,"layers":[1,5,22,100],"latencyTm":15,' +
      '"exact":[{"maxLayers":2,"layers":[1,4,20,100],"latencyTm":14},' +
      '{"maxLayers":3,"layers":[1,3,9,25,100],"latencyTm":13}],' +
      '"flat":{"layers":[1,100],"latencyTm":100}}\n',
  );
});

test("plan-tree draws the tree and compares it with the exact and the flat one within 80 columns", async () => {
  const { code, stdout } = await sltrain(["plan-tree", "--workers", "100", "--tm-ms", "50"], process.cwd());
  assert.equal(code, 0);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  assert.match(stdout, /^ 22 {2}mergers +● ●/m);
  assert.match(stdout, /^closed form +1 5 22 100 +28 +15 t_m +750 ms$/m);
  assert.match(stdout, /^exact, ≤ 2 layers +1 4 20 100 +25 +14 t_m +700 ms$/m);
  assert.match(stdout, /^exact, ≤ 3 layers +1 3 9 25 100 +38 +13 t_m +650 ms$/m);
  assert.match(stdout, /^flat +1 100 +1 +100 t_m +5\.00 s$/m);
});

test("plan-tree refuses bad numbers with exit code 2, naming the flag and what came", async () => {
  const cases: [string[], RegExp][] = [
    [["--workers", "0"], /--workers[^]*greater than or equal to 1 but received: 0/],
    [["--workers", "4", "--tm-ms", "fast"], /--tm-ms[^]*milliseconds above 0 but received: fast/],
    [["--worker", "4"], /got --worker[^]*Did you mean --workers\?/],
    [["--max-layers", "2"], /Missing required flag workers/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stdout, stderr } = await sltrain(["plan-tree", ...args], process.cwd());
      assert.equal(code, 2);
      assert.match(stderr, message);
      assert.equal(stdout, "");
    }),
  );
});
