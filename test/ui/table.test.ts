import assert from "node:assert/strict";
import { test } from "node:test";
import { drawTable, printedWidth, terminalWidth } from "../../src/ui/table.ts";

const columns = [{ header: "run" }, { header: "loss", align: "right" }] as const;

test("columns are aligned, and lines have no spaces at their ends", () => {
  const table = drawTable(
    [...columns, { header: "note" }],
    [
      ["quiet-owl", "0.05", ""],
      ["fox", "12.5", "stopped"],
    ],
    80,
  );
  assert.deepEqual(table.split("\n"), [
    "run        loss  note",
    "quiet-owl  0.05",
    "fox        12.5  stopped",
  ]);
});

test("colours do not count as width", () => {
  const red = "\u001b[31m0.05\u001b[39m";
  assert.equal(printedWidth(red), 4);
  assert.equal(drawTable(columns, [["fox", red]], 80).split("\n")[1], `fox  ${red}`);
});

test("the widest column gives way where the terminal is narrow", () => {
  const table = drawTable(columns, [["a-very-long-name-of-a-run", "0.05"]], 20).split("\n");
  assert.deepEqual(table, ["run             loss", "a-very-long-n…  0.05"]);
});

test("a table never shrinks a column below six characters, however narrow the terminal", () => {
  const table = drawTable(columns, [["a-very-long-name-of-a-run", "0.05"]], 3).split("\n");
  assert.deepEqual(table, ["run     loss", "a-ver…  0.05"]);
});

test("a table without rows is its headers", () => {
  assert.equal(drawTable(columns, [], 80), "run  loss");
});

test("the width is the terminal's, and 80 without a terminal or with one that does not know its size", () => {
  assert.equal(terminalWidth({ columns: 132 }), 132);
  assert.equal(terminalWidth({ columns: 0 }), 80);
  assert.equal(terminalWidth({}), 80);
});
