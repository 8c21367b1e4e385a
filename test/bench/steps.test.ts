import assert from "node:assert/strict";
import { test } from "node:test";
import { benchSteps, type StepsReport } from "../../bench/steps/bench-steps.ts";
import { openTestbed } from "../../bench/testbeds/open.ts";
import { PeerProcess } from "../../bench/peers/peer-process.ts";
import { SltrainError } from "../../src/errors.ts";

const open = () => openTestbed({ device: "wasm" });
const alone = { threads: 1, tfjs: false, torch: false, open };

test("a model's row tells its speed, its memory and that no peer ran", async () => {
  const report: StepsReport = await benchSteps({ models: ["feng-a"], batchSize: 8, ...alone });
  assert.equal(report.rows.length, 1);
  const row = report.rows[0]!;
  assert.equal(row.model, "feng-a");
  assert.equal(row.device, "wasm");
  assert.equal(row.batchSize, 8);
  assert.equal(row.threads, 1);
  assert.equal(row.parameters, 42_601);
  assert.ok(row.samplesPerS > 0 && row.arenaBytes > 0);
  assert.ok(row.minMs <= row.medianMs && row.medianMs <= row.maxMs);
  assert.equal(row.tfjsSamplesPerS, null);
  assert.equal(row.torchSamplesPerS, null);
  assert.equal(report.torch, null);
});

test("a model that is not built in is refused with the one that was probably meant, or all names", async () => {
  await assert.rejects(benchSteps({ models: ["lenet6"], ...alone }), (error) => {
    assert.ok(error instanceof SltrainError);
    assert.equal(error.code, "bench-nothing");
    assert.match(error.message, /lenet6/);
    assert.deepEqual(error.suggestions, ["Did you mean lenet5?"]);
    return true;
  });
  await assert.rejects(benchSteps({ models: ["transformer"], ...alone }), (error) => {
    assert.ok(error instanceof SltrainError);
    assert.match(error.suggestions.join(), /lr, .*mlp, lenet5/);
    return true;
  });
});

test("a peer that ends instead of answering is quoted", async () => {
  const words = "throw new Error('no such library')";
  const peer = new PeerProcess({
    name: "torch",
    command: [process.execPath, "-e", words],
    suggestion: "Get it.",
  });
  await assert.rejects(peer.read(), /the torch peer ended instead of answering: Error: no such library/);
});

test("a peer that is not installed is an error that says what to install", async () => {
  const peer = new PeerProcess({ name: "torch", command: ["no-such-python"], suggestion: "Get it." });
  await assert.rejects(peer.read(), (error) => {
    assert.ok(error instanceof SltrainError);
    assert.match(error.message, /ENOENT/);
    assert.deepEqual(error.suggestions, ["Get it."]);
    return true;
  });
});
