import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExchangeReport } from "../../bench/exchange/bench-exchange.ts";
import { sltrain } from "../support/cli.ts";

const bench = (...args: string[]) => sltrain(["bench", "exchange", ...args], process.cwd());
const small = ["--workers", "2", "--bytes", "4kB", "--rounds", "2"];

test("bench exchange --json prints one object with the channel and a row for each combination", async () => {
  const { code, stdout, stderr } = await bench(...small, "--reduce", "scatter-reduce,textbook", "--json");
  assert.equal(code, 0, stderr);
  const { channel, rows } = JSON.parse(stdout) as ExchangeReport;
  assert.match(channel.uri, /^fs:/);
  for (const figure of [channel.putLatencyMs, channel.getLatencyMs, channel.upMBs, channel.downMBs])
    assert.ok(figure! > 0);
  assert.deepEqual(
    rows.map(({ reduce, codec, workers, bytes, rounds }) => [reduce, codec, workers, bytes, rounds]),
    [
      ["scatter-reduce", "f32", 2, 4000, 2],
      ["textbook", "f32", 2, 4000, 2],
    ],
  );
  assert.deepEqual(Object.keys(rows[0]!.requests), ["put", "get", "list", "delete"]);
  assert.equal(rows[0]!.exact, true);
});

test("bench exchange draws a table, and --channel is --storage by another name", async () => {
  const { code, stdout, stderr } = await bench(...small, "--channel", "memory:", "--reduce", "textbook");
  assert.notEqual(code, 0);
  assert.equal(stdout, "");
  assert.match(stderr, /storage-unknown/);
});

test("bench exchange tells wrong flags with what was meant", async () => {
  const cases: [string[], RegExp][] = [
    [["--reduce", "textbok"], /Did you mean textbook/],
    [["--bytes", "twelve"], /--bytes: expected[^]*"twelve"/],
    [["--worker", "4"], /Did you mean --workers/],
  ];
  await Promise.all(
    cases.map(async ([args, words]) => {
      const { code, stdout, stderr } = await bench(...args);
      assert.notEqual(code, 0);
      assert.equal(stdout, "");
      assert.match(stderr, words);
    }),
  );
});
