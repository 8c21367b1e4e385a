// A text model from a file of text to text that it writes, as a user does it.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { lastEvent, sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

/** Sentences of a small grammar: after "the" comes a noun, after a noun a verb, after a verb "the" or the end. */
function grammarText(sentences: number): string {
  const random = new RandomStream(1, "grammar");
  const pick = (words: readonly string[]): string => words[random.nextInt(words.length)]!;
  const clause = () => `the ${pick(["cat", "dog", "fox"])} ${pick(["sees", "hears"])}`;
  return Array.from({ length: sentences }, () => `${clause()} ${clause()}.\n`).join("");
}

const training = ["train", "--model", "gpt-nano", "--data", "grammar.txt", "--context-length", "16"];

describe("gpt-nano", () => {
  before(async () => {
    writeFileSync(join(folder.path, "grammar.txt"), grammarText(250));
    const ended = await sltrain([...training, "--workers", "2", "--run-id", "two", "--json"], folder.path);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const { accuracy } = lastEvent(ended);
    assert.ok((accuracy as number) > 0.6, `accuracy ${String(accuracy)}`);
  });

  test("learns on two workers what it learns on one", async () => {
    const ended = await sltrain([...training, "--workers", "1", "--run-id", "one", "--json"], folder.path);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const evaluate = async (run: string) =>
      lastEvent(await sltrain(["evaluate", run, "--json"], folder.path)).loss as number;
    const [one, two] = [await evaluate("one"), await evaluate("two")];
    // Sums of another order, after some fifty steps of AdamW.
    assert.ok(Math.abs(one - two) < 0.01 * one, `${one} and ${two}`);
  });

  test("writes words that it has seen, the same for the same seed and another for another", async () => {
    const write = async (seed: string) => {
      const flags = ["--prompt", "the ", "--tokens", "60", "--top-k", "5", "--seed", seed, "--json"];
      return lastEvent(await sltrain(["sample", "two", ...flags], folder.path)).text as string;
    };
    const text = await write("3");
    assert.equal(text.length, 60);
    assert.match(text, /the|cat|dog|fox|sees|hears/);
    assert.equal(await write("3"), text);
    assert.notEqual(await write("4"), text);
  });

  test("refuses a character that it does not know, a file of rows, and to be asked of images", async () => {
    const refusal = async (...args: readonly string[]) => {
      const { code, stderr } = await sltrain(args, folder.path);
      assert.notEqual(code, 0);
      return stderr.replace(/[\s›]+/g, " "); // lines are broken to the terminal's width
    };
    assert.match(
      await refusal("sample", "two", "--prompt", "the cat!"),
      /expected characters that the model was trained on, got "!"/,
    );
    assert.match(await refusal("predict", "two", "grammar.txt"), /sltrain sample two/);
    assert.match(
      await refusal("train", "--model", "gpt-nano", "--data", "mnist"),
      /model gpt-nano learns to go on with text/,
    );
    assert.match(
      await refusal("train", "--model", "lr", "--data", "grammar.txt"),
      /model lr: the model takes numbers, but the data is text/,
    );
    assert.match(
      await refusal(...training, "--class-weights", "balanced"),
      /--class-weights: expected samples of classes, got grammar.txt, which is text/,
    );
  });
});
