import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseConflicts } from "../../src/config/combinations.ts";
import { defaultsFor } from "../../src/config/model-defaults.ts";
import type { TrainConfig, TrainConfigInput, TrainConfigKey } from "../../src/config/schema.ts";

/** As if `flags` of the changes had been given on the command line. */
function refuse(changes: TrainConfigInput, flags: readonly TrainConfigKey[] = []): void {
  const config = { ...defaultsFor(), workers: 4, channel: "fs:x", ...changes } as TrainConfig;
  refuseConflicts(config, (key) => flags.includes(key));
}

function half(changes: TrainConfigInput): TrainConfigInput {
  return { precision: "f16", device: "webgpu", ...changes };
}

test("settings that go together are let through", () => {
  const allowed: readonly TrainConfigInput[] = [
    {},
    { quorum: 0.75, reduce: "all-reduce" },
    { sync: "asp", compress: "top-k:1%" },
    { speculate: "on", reduce: "all-reduce", compress: "bf16" },
    { compress: "powersgd:2" },
    { device: "webgpu", adapter: "1", functionsPerGpu: 2 },
    { device: "auto", provider: "lambda" },
    { precision: "f16", device: "webgpu", compress: "bf16", workers: 2 },
  ];
  for (const changes of allowed) refuse(changes);
});

test("two settings that do not go together are named, with the reason", () => {
  const refused: readonly (readonly [TrainConfigInput, RegExp])[] = [
    [{ sync: "asp", algorithm: "diloco" }, /--sync asp with --algorithm diloco/],
    [
      { sync: "ssp", compress: "powersgd:2" },
      /--sync ssp with --compress powersgd:2: powersgd has all workers meet/,
    ],
    [
      { quorum: 0.9, reduce: "hierarchical" },
      /--quorum 0.9 with --reduce hierarchical: who adds for a group/,
    ],
    [{ minWorkers: 2, sync: "asp" }, /--min-workers 2 with --sync asp: .* begins anew with all workers/],
    [{ minWorkers: 2, channel: "ps://h:1" }, /--min-workers 2 with --channel ps/],
    [{ leaseMs: 800, timeoutS: 3 }, /--lease-ms 800 with --timeout-s 3: .* a quarter of its own life/],
    [{ quorum: 0.9, channel: "ps://h:1" }, /--quorum 0.9 with --channel/],
    [{ quorum: 0.9, sync: "asp" }, /--quorum 0.9 with --sync asp/],
    [{ speculate: "on", algorithm: "diloco" }, /--speculate on with --algorithm diloco/],
    [{ speculate: "on", sync: "asp" }, /--speculate on with --sync asp/],
    [{ speculate: "on", channel: "ps://h:1" }, /--speculate on with --channel/],
    [{ speculate: "on", quorum: 0.9 }, /--speculate on with --quorum 0.9/],
    [
      { speculate: "on", reduce: "tree:1,2,4" },
      /--speculate on with --reduce tree:1,2,4: rank 0 tells who is slow/,
    ],
    [{ speculate: "on", compress: "top-k:1%" }, /--speculate on with --compress top-k:1%/],
    [{ speculate: "on", compress: "powersgd:2" }, /--speculate on with --compress powersgd:2/],
    [{ quorum: 0.9, compress: "powersgd:2" }, /--quorum 0.9 with --compress/],
    [
      { device: "webgpu", provider: "lambda" },
      /--device webgpu with --provider lambda: AWS Lambda's functions have no GPU/,
    ],
    [{ precision: "f16" }, /--precision f16 with --device wasm: only a GPU's kernels/],
    [{ precision: "f16", device: "auto" }, /--precision f16 with --device auto: .* is sure to have one/],
    [half({ algorithm: "local-sgd" }), /--precision f16 with --algorithm local-sgd: .* skip one/],
    [half({ sync: "ssp" }), /--precision f16 with --sync ssp/],
    [half({ quorum: 0.75 }), /--precision f16 with --quorum 0.75/],
    [half({ compress: "top-k:1%" }), /--precision f16 with --compress top-k:1%: it sends later/],
    [half({ compress: "powersgd:2" }), /--precision f16 with --compress powersgd:2/],
  ];
  for (const [changes, message] of refused)
    assert.throws(() => refuse(changes), { code: "config-conflict", message });
});

test("a reduce pattern has to fit every number of workers that a run may have", () => {
  assert.throws(() => refuse({ reduce: "tree:1,2,4", minWorkers: 3 }), { code: "reduce-invalid" });
});

test("a flag that would change nothing is refused; a file may hold it for another run", () => {
  const idle: readonly (readonly [TrainConfigKey, TrainConfigInput, RegExp])[] = [
    ["syncEvery", { syncEvery: 4 }, /--sync-every 4 with --algorithm ga-sgd: it exchanges at every step/],
    ["reduce", { reduce: "tree", sync: "asp" }, /--reduce tree with --sync asp/],
    ["reduce", { reduce: "tree", channel: "ps://h:1" }, /--reduce tree with --channel ps:\/\/h:1/],
    ["stack", { stack: "trial" }, /--stack trial with --provider local: it belongs to --provider lambda/],
    ["endpointUrl", { endpointUrl: "http://a" }, /--endpoint-url http:\/\/a with --provider local/],
    ["adapter", { adapter: "0" }, /--adapter 0 with --device wasm: wasm computes on the processor/],
    ["functionsPerGpu", { functionsPerGpu: 2 }, /--functions-per-gpu 2 with --device wasm/],
  ];
  for (const [key, changes, message] of idle) {
    assert.throws(() => refuse(changes, [key]), { code: "config-conflict", message });
    refuse(changes);
  }
});

test("a reduce pattern for another number of workers is told with the one that fits any", () => {
  assert.throws(() => refuse({ reduce: "tree:1,5,22,100" }), {
    code: "reduce-invalid",
    message: /--reduce for --workers 4: .*layers that end with 4 workers, but got "tree:1,5,22,100"/,
    suggestions: ["Write --reduce tree, which fits any number of workers, or change --workers."],
  });
});

test("what an optimizer or a batch is to do is refused beside algorithms that solve", () => {
  for (const [key, value] of Object.entries({ schedule: "cosine", clipNorm: 1, augment: "flip" }))
    for (const algorithm of ["admm", "em"] as const) {
      const message = new RegExp(`${String(value)} with --algorithm ${algorithm}: it solves`);
      const given = key as TrainConfigKey;
      assert.throws(() => refuse({ [key]: value, algorithm }, [given]), { code: "config-conflict", message });
      refuse({ [key]: value, algorithm: "ga-sgd" }, [given]);
    }
});

test("nothing is spared from a decay that there is none of", () => {
  assert.throws(() => refuse({ decayExcept: "vectors" }, ["decayExcept"]), { message: /nothing decays/ });
  refuse({ decayExcept: "vectors", weightDecay: 0.1 }, ["decayExcept"]);
});
