import assert from "node:assert/strict";
import { test } from "node:test";
import type { Check, Finding } from "../../src/doctor/check.ts";
import { doctorView } from "../../src/doctor/doctor-view.ts";
import { examine } from "../../src/doctor/examine.ts";
import { SltrainError } from "../../src/errors.ts";
import { subjectOf } from "./subject.ts";

const subject = (provider: "local" | "lambda") => subjectOf({}, { provider });
const good: Finding = { outcome: "ok", found: "good" };
const fine = (name: string): Check => ({ name, topic: "machine", run: () => good });
const refusing = (topic: Check["topic"]): Check => ({
  name: "refusing",
  topic,
  run: () => {
    throw new SltrainError({
      code: "denied",
      message: "expected yes, got no",
      suggestions: ["Ask again: `ask --again`."],
    });
  },
});

test("results come in the order of the table, and an error of ours is failing with its suggestions", async () => {
  const { healthy, checks } = await examine([fine("a"), refusing("machine"), fine("b")], subject("local"));
  assert.equal(healthy, false);
  assert.deepEqual(
    checks.map(({ name }) => name),
    ["a", "refusing", "b"],
  );
  assert.deepEqual(checks[1], {
    name: "refusing",
    topic: "machine",
    outcome: "failing",
    found: "expected yes, got no",
    remedies: ["Ask again: `ask --again`."],
  });
});

test("what only Lambda needs may fail as long as nobody asked for Lambda", async () => {
  const isHealthy = async (provider: "local" | "lambda") =>
    (await examine([refusing("lambda")], subject(provider))).healthy;
  assert.equal(await isHealthy("local"), true);
  assert.equal(await isHealthy("lambda"), false);
});

test("a check whose requirement fails is not made, nor one that requires that check", async () => {
  const never = (name: string, requires: string[]): Check => ({
    ...{ name, requires, topic: "machine" },
    run: () => assert.fail("it was made"),
  });
  const table = [refusing("lambda"), never("second", ["refusing"]), never("third", ["second"])];
  const { checks } = await examine(table, subject("local"));
  assert.deepEqual(
    checks.slice(1).map(({ outcome, found }) => [outcome, found]),
    [
      ["info", "not asked without refusing"],
      ["info", "not asked without second"],
    ],
  );
});

test("a check without an end fails at its deadline", async () => {
  const endless: Check = { ...fine("endless"), deadlineMs: 10, run: () => new Promise(() => undefined) };
  const { checks } = await examine([endless], subject("local"));
  assert.equal(checks[0]!.outcome, "failing");
  assert.match(checks[0]!.found, /no answer within 10\.0 ms/);
});

test("a bug in a check is thrown", async () => {
  const broken: Check = { ...fine("broken"), run: () => Promise.reject(new TypeError("bug")) };
  await assert.rejects(examine([broken], subject("local")), TypeError);
});

test("a command is never broken, so that it can be copied", async () => {
  const command = "`aws service-quotas request-service-quota-increase --service-code lambda`";
  const check: Check = {
    ...fine("long"),
    run: () => ({ ...good, remedies: [`Ask for more (${command}).`] }),
  };
  const screen = doctorView(await examine([check], subject("local")), 50);
  assert.ok(screen.includes(`(${command}).`), screen);
});

test("the screen fits its width, and shows what to do under what is failing", async () => {
  const long: Check = { ...fine("long"), run: () => ({ outcome: "ok", found: "many words ".repeat(20) }) };
  const report = await examine([long, refusing("stores")], subject("local"));
  const lines = doctorView(report, 60).split("\n");
  for (const line of lines) assert.ok(line.length <= 60, line);
  const at = lines.findIndex((line) => /^failing +refusing +expected yes, got no/.test(line));
  assert.match(lines[at + 1]!, /^ +→ Ask again: `ask --again`\.$/);
  assert.match(lines.at(-1)!, /Not ready/);
});
