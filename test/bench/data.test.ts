import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { benchParse } from "../../bench/data/parse.ts";
import { benchStore } from "../../bench/data/store.ts";
import { dataTables } from "../../bench/data/table.ts";
import { TEXT_CASES } from "../../bench/data/texts.ts";
import { describeMachine, describeProvenance } from "../../bench/machine.ts";

test("bench data has all parsers find the same rows, and tells the speed of each", async () => {
  const parse = await benchParse({ sizeBytes: 1, rounds: 1 });
  assert.deepEqual(
    parse.map(({ name, rows }) => [name, rows]),
    TEXT_CASES.map(({ name }) => [name, 2000]),
  );
  for (const { format, mbPerS, vsSplit, vsCsvParse } of parse) {
    assert.ok(mbPerS > 0 && vsSplit > 0);
    assert.equal(vsCsvParse !== null, format === "csv");
  }
  const store = await benchStore(1, 1);
  assert.deepEqual(
    store.map(({ name, rows }) => [name, rows]),
    [
      ["higgs.csv", 2000],
      ["rcv1.libsvm", 2000],
    ],
  );
  const tables = dataTables({ ...describeProvenance(), machine: describeMachine(), parse, store });
  assert.match(stripVTControlCharacters(tables), /^higgs\.csv +2,000 .*\n/m);
});
