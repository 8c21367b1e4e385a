import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { batchSizeFor, defaultsFor } from "../../src/config/model-defaults.ts";
import { resolveTrainConfig, type ResolvedConfig } from "../../src/config/resolve.ts";
import { SltrainError } from "../../src/errors.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sltrain-config-"));
  folders.push(folder);
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
  return folder;
}

interface Origins {
  flags?: Record<string, unknown>;
  env?: Record<string, string>;
  files?: Record<string, string>;
}

async function resolve({ flags = {}, env = {}, files = {} }: Origins): Promise<ResolvedConfig> {
  return resolveTrainConfig({ flags, env, cwd: await folderWith(files), cores: 3 });
}

async function refusal(origins: Origins): Promise<SltrainError> {
  const error: unknown = await resolve(origins).then(
    () => assert.fail("expected a refusal"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SltrainError, String(error));
  return error;
}

test("without any setting, every value is a default and the cores decide the workers", async () => {
  const { config, sources } = await resolve({});
  assert.equal(config.model, "lenet5");
  assert.equal(config.data, "mnist");
  assert.equal(config.workers, 3);
  assert.equal(config.storage, "fs:.sltrain");
  assert.equal(config.channel, config.storage);
  assert.equal(config.targetAccuracy, undefined);
  assert.deepEqual([...new Set(Object.values(sources))], ["default"]);
});

test("flags win over the environment, the environment over the file, the file over defaults", async () => {
  const files = { "sltrain.config.json": JSON.stringify({ lr: 0.3, epochs: 3, seed: 3 }) };
  const env = { SLTRAIN_LR: "0.2", SLTRAIN_EPOCHS: "2" };
  const { config, sources } = await resolve({ flags: { lr: "0.1" }, env, files });
  assert.deepEqual([config.lr, config.epochs, config.seed], [0.1, 2, 3]);
  assert.deepEqual(
    [sources.lr, sources.epochs, sources.seed, sources.batchSize],
    ["flag", "env", "file", "default"],
  );
});

test("a flag may be text or a value, and one that is undefined is not given", async () => {
  const { config, sources } = await resolve({ flags: { "batch-size": 32, lr: "1e-3", workers: undefined } });
  assert.deepEqual([config.batchSize, config.lr, config.workers], [32, 0.001, 3]);
  assert.equal(sources.workers, "default");
});

test("digits stay text where text is meant", async () => {
  const { config } = await resolve({ env: { SLTRAIN_RUN_ID: "007" }, flags: { data: "42" } });
  assert.deepEqual([config.runId, config.data], ["007", "42"]);
});

test("the channel follows the storage unless it is given", async () => {
  const followed = await resolve({ flags: { storage: "fs:elsewhere" } });
  assert.equal(followed.config.channel, "fs:elsewhere");
  const given = await resolve({ flags: { storage: "fs:elsewhere", channel: "fs:/dev/shm/frames" } });
  assert.equal(given.config.channel, "fs:/dev/shm/frames");
});

test("a range of workers is the most and the least, from wherever it comes", async () => {
  for (const origins of [
    { flags: { workers: "4..16" } },
    { env: { SLTRAIN_WORKERS: " 4..16 " } },
    { files: { "sltrain.config.json": '{ "workers": "4..16" }' } },
    { flags: { workers: "16" }, env: { SLTRAIN_MIN_WORKERS: "4" } },
  ]) {
    const { workers, minWorkers } = (await resolve(origins)).config;
    assert.deepEqual([minWorkers, workers], [4, 16]);
  }
  assert.equal((await resolve({ flags: { workers: 16 } })).config.minWorkers, undefined);
  for (const [workers, code] of [
    ["4..", "config-bad-value"],
    ["0..4", "config-bad-value"],
    ["16..4", "config-conflict"],
  ])
    assert.equal((await refusal({ flags: { workers } })).code, code);
});

test("a lease fits into a function's life, unless somebody says how long it is", async () => {
  const leaseOf = async (origins: Origins) => (await resolve(origins)).config.leaseMs;
  assert.equal(await leaseOf({}), 3000);
  assert.equal(await leaseOf({ flags: { "timeout-s": 3 } }), 500);
  assert.equal(await leaseOf({ flags: { "timeout-s": 3 }, env: { SLTRAIN_LEASE_MS: "750" } }), 750);
  const { code } = await refusal({ flags: { "timeout-s": 3 }, env: { SLTRAIN_LEASE_MS: "751" } });
  assert.equal(code, "config-conflict");
});

test("where gradients come late, compressions and local-sgd bring Nesterov's momentum and a warm-up, which any setting overrides", async () => {
  const brought = async (flags: Record<string, unknown>) => {
    const { config } = await resolve({ flags });
    return [config.optimizer, config.warmupSteps];
  };
  for (const compress of ["powersgd:2", "top-k:1%", "sign"])
    assert.deepEqual(await brought({ compress }), ["nesterov", 100]);
  assert.deepEqual(await brought({ compress: "int8" }), ["momentum", 0]);
  assert.deepEqual(await brought({ compress: "sign", optimizer: "sgd" }), ["sgd", 100]);
  assert.deepEqual(await brought({ algorithm: "local-sgd" }), ["nesterov", 100]);
  assert.deepEqual(await brought({ compress: "sign", algorithm: "diloco" }), ["adamw", 0]);
});

test("a model brings its own defaults, which any setting overrides", async () => {
  assert.equal((await resolve({ flags: { model: "feng-a" } })).config.data, "random-binary");
  assert.equal((await resolve({ flags: { model: "feng-a", data: "mnist" } })).config.data, "mnist");
  const own = await resolve({ flags: { model: "./net/model.json" } });
  assert.deepEqual([own.config.model, own.config.data], ["./net/model.json", "mnist"]);
});

test("diloco brings its inner optimizer and rate for any model, which any setting overrides", async () => {
  const { config } = await resolve({ flags: { model: "mlp", algorithm: "diloco", "sync-every": "epoch" } });
  assert.deepEqual([config.optimizer, config.lr, config.batchSize], ["adamw", 0.002, 256]);
  assert.deepEqual([config.syncEvery, config.outerLr, config.outerMomentum], ["epoch", 0.7, 0.6]);
  const other = await resolve({ flags: { algorithm: "diloco", lr: "0.5", "sync-every": "8" } });
  assert.deepEqual([other.config.lr, other.config.syncEvery], [0.5, 8]);
});

test("a rate is of the optimizer's kind: another kind brings its own, the same kind keeps the model's", async () => {
  const rateOf = async (flags: Readonly<Record<string, string>>) => {
    const { config } = await resolve({ flags });
    return [config.optimizer, config.lr];
  };
  assert.deepEqual(await rateOf({ model: "lr" }), ["adam", 0.02]);
  assert.deepEqual(await rateOf({ model: "lr", optimizer: "sgd" }), ["sgd", 0.05]);
  assert.deepEqual(await rateOf({ model: "lr", optimizer: "adamw" }), ["adamw", 0.02]);
  assert.deepEqual(await rateOf({ model: "lenet5", optimizer: "nesterov" }), ["nesterov", 0.03]);
  assert.deepEqual(await rateOf({ model: "lenet5", optimizer: "adam" }), ["adam", 0.001]);
  assert.deepEqual(await rateOf({ model: "lenet5", optimizer: "adam", lr: "0.01" }), ["adam", 0.01]);
});

test("late gradients change the momentum of a model, and no optimizer that adapts", async () => {
  const stepsOf = async (flags: Readonly<Record<string, string>>) => {
    const { config } = await resolve({ flags });
    return [config.optimizer, config.warmupSteps];
  };
  assert.deepEqual(await stepsOf({ model: "mlp", algorithm: "local-sgd" }), ["nesterov", 100]);
  assert.deepEqual(await stepsOf({ model: "mlp", compress: "top-k:1%" }), ["nesterov", 100]);
  assert.deepEqual(await stepsOf({ model: "lr", algorithm: "local-sgd" }), ["adam", 0]);
  assert.deepEqual(await stepsOf({ model: "lr", compress: "top-k:1%" }), ["adam", 0]);
});

test("batches of a linear model grow with the data, and have a row for each worker", () => {
  const of = (model: string, rows: number, workers = 4) => {
    const { batchSize } = defaultsFor({ model });
    return batchSizeFor({ model, batchSize, workers }, rows);
  };
  assert.deepEqual(
    [3, 569, 32_561, 49_749, 900_000, 11_000_000].map((rows) => of("lr", rows)),
    [8, 8, 64, 128, 2048, 4096],
  );
  assert.equal(of("svm", 569, 48), 48);
  assert.deepEqual([of("lenet5", 900_000), of("./my-model.json", 900_000)], [64, 128]);
});

test("a config file may be TypeScript, JavaScript or JSON", async () => {
  const files = {
    "sltrain.config.ts": "const lr: number = 0.5;\nexport default { lr };\n",
    "sltrain.config.js": "export default { lr: 0.5 };\n",
    "sltrain.config.json": '{ "lr": 0.5 }',
  };
  for (const [name, text] of Object.entries(files)) {
    const { config, sources } = await resolve({ files: { [name]: text } });
    assert.deepEqual([config.lr, sources.lr], [0.5, "file"], name);
  }
});

test("the optimizer takes its hyperparameters from the configuration as it is", async () => {
  const flags = {
    lr: 0.25,
    optimizer: "adam",
    momentum: 0.8,
    beta2: 0.95,
    epsilon: 1e-6,
    "weight-decay": 1e-4,
    "warmup-steps": 7,
    schedule: "cosine",
  };
  const { learningRate, momentum, beta2, epsilon, weightDecay } = optimizerOf(
    (await resolve({ flags })).config,
  );
  const { course, ...rate } = learningRate;
  assert.deepEqual(rate, { peak: 0.25, warmupSteps: 7 });
  assert.ok(Math.abs(course({ progress: 0.5, step: 0, epochs: 0 }) - 0.5) < 1e-12, "half of a cosine");
  assert.deepEqual([momentum, beta2, epsilon, weightDecay], [0.8, 0.95, 1e-6, 1e-4]);
});

test("the configuration is frozen", async () => {
  const { config, sources } = await resolve({});
  assert.ok(Object.isFrozen(config) && Object.isFrozen(sources));
});

test("unknown settings are refused with the flag, variable or file that named them, and the name that was meant", async () => {
  const cases: [Origins, RegExp, RegExp][] = [
    [{ flags: { batchsize: "1" } }, /^--batchsize: /, /Did you mean --batch-size\?/],
    [{ env: { SLTRAIN_BATCHSIZE: "1" } }, /^SLTRAIN_BATCHSIZE: /, /Did you mean SLTRAIN_BATCH_SIZE\?/],
    [
      { files: { "sltrain.config.json": '{"optimiser":"sgd"}' } },
      /^sltrain\.config\.json: optimiser: /,
      /Did you mean optimizer\?/,
    ],
    [
      { files: { "sltrain.config.json": '{"colour":1}' } },
      /colour/,
      /The settings are model, .*data, .*roundTimeoutMs/,
    ],
  ];
  for (const [origins, message, suggestion] of cases) {
    const error = await refusal(origins);
    assert.equal(error.code, "config-unknown-key");
    assert.match(error.message, message);
    assert.match(error.suggestions.join(), suggestion);
  }
});

test("variables of other parts of sltrain and of oclif, and empty ones, are let alone", async () => {
  const env = {
    SLTRAIN_TEST_REQUIRE: "all",
    SLTRAIN_DATA_DIR: "/x",
    SLTRAIN_CACHE_DIR: "/y",
    SLTRAIN_LR: "",
    HOME: "/z",
  };
  const { sources } = await resolve({ env });
  assert.deepEqual([...new Set(Object.values(sources))], ["default"]);
});

test("bad values are refused with where they stand, what was expected and what came", async () => {
  const json = (text: string): Origins => ({ files: { "sltrain.config.json": text } });
  const cases: [Origins, string][] = [
    [{ flags: { lr: "fast" } }, '--lr: expected a number above 0, got "fast"'],
    [{ flags: { lr: "0" } }, '--lr: expected a number above 0, got "0"'],
    [{ env: { SLTRAIN_LR: "-1" } }, 'SLTRAIN_LR: expected a number above 0, got "-1"'],
    [{ flags: { workers: "2.5" } }, '--workers: expected a whole number from 1 to 10000, got "2.5"'],
    [
      { flags: { "target-accuracy": "98" } },
      '--target-accuracy: expected a number above 0, at most 1, got "98"',
    ],
    [{ flags: { momentum: 1 } }, "--momentum: expected a number from 0 to less than 1, got 1"],
    [
      { flags: { model: "" } },
      `--model: expected a model's name or the path of a model.json or a module, got ""`,
    ],
    [{ flags: { provider: "cloud" } }, '--provider: expected one of local, lambda, got "cloud"'],
    [
      { flags: { "run-id": "../x" } },
      '--run-id: expected 1 to 64 letters, digits, dots, dashes or underscores, the first one a letter or digit, got "../x"',
    ],
    [json('{"lr":"0.1"}'), 'sltrain.config.json: lr: expected a number above 0, got "0.1"'],
    [
      json('{"seed":null}'),
      "sltrain.config.json: seed: expected a whole number from 0 to 4294967295, got null",
    ],
    [
      json('{"epochs":[1]}'),
      "sltrain.config.json: epochs: expected a whole number from 1 to 1000000, got [ 1 ]",
    ],
  ];
  for (const [origins, message] of cases) {
    const error = await refusal(origins);
    assert.equal(error.code, "config-bad-value");
    assert.equal(error.message, message);
  }
});

test("codecs and patterns are refused with what is known, the nearest name and how it is written", async () => {
  const codec = await refusal({ flags: { compress: "bf61" } });
  assert.equal(codec.code, "config-bad-value");
  assert.match(codec.message, /^--compress: codec: expected one of f32, bf16, .*, but got "bf61"$/);
  assert.equal(codec.suggestions[0], "Did you mean bf16?");
  const share = await refusal({ env: { SLTRAIN_COMPRESS: "top-k:200%" } });
  assert.ok(share.suggestions.some((suggestion) => suggestion.includes("percentage")));
  const pattern = await refusal({ files: { "sltrain.config.json": '{"reduce": "tree:5,1"}' } });
  assert.match(pattern.message, /^sltrain\.config\.json: reduce: reduce: expected one of scatter-reduce/);
});

test("credentials in a URI are refused but for those of Redis, which are moved, and no message shows them", async () => {
  const uris = ["s3://key:geheim@bucket/runs", "memcached://:ge@heim@host", "ps://geheim@host:7070"];
  for (const uri of uris) {
    for (const key of ["storage", "channel"]) {
      const { code, message, suggestions } = await refusal({ flags: { [key]: uri } });
      assert.equal(code, "config-bad-value");
      assert.match(message, new RegExp(`^--${key}: expected a URI without credentials`));
      assert.doesNotMatch([message, ...suggestions].join(), /geheim|heim/);
    }
  }
});

test("a choice that is nearly right is answered with the right one", async () => {
  const error = await refusal({ flags: { optimizer: "Adamm" } });
  assert.equal(
    error.message,
    '--optimizer: expected one of sgd, momentum, nesterov, adam, adamw, adagrad, lars, got "Adamm"',
  );
  assert.deepEqual(error.suggestions, ["Did you mean adam?"]);
});

test("a number that is too small or too large is answered with the nearest that may be", async () => {
  const suggestionFor = async (threads: string) => (await refusal({ flags: { threads } })).suggestions;
  assert.deepEqual(await suggestionFor("0"), ["The smallest is 1."]);
  assert.deepEqual(await suggestionFor("99"), ["The largest is 64."]);
});

test("a bad value is refused although a stronger one overrides it", async () => {
  const error = await refusal({ flags: { lr: "0.1" }, env: { SLTRAIN_LR: "abc" } });
  assert.match(error.message, /^SLTRAIN_LR: /);
});

test("two config files are refused", async () => {
  const error = await refusal({
    files: { "sltrain.config.json": "{}", "sltrain.config.js": "export default {};" },
  });
  assert.equal(error.code, "config-file-ambiguous");
  assert.match(error.message, /got sltrain\.config\.js and sltrain\.config\.json$/);
});

test("a config file that cannot be parsed, fails, or exports no object is refused by name", async () => {
  const cases: [string, string, RegExp][] = [
    ["sltrain.config.json", "{ lr: 1 }", /^sltrain\.config\.json: .*JSON/],
    ["sltrain.config.json", "[1]", /expected a JSON object of settings, got an array$/],
    ["sltrain.config.js", "throw new Error('boom');", /^sltrain\.config\.js: boom$/],
    [
      "sltrain.config.js",
      "export const lr = 1;",
      /expected a default export that is an object of settings, got none$/,
    ],
    ["sltrain.config.ts", "export default 3;", /^sltrain\.config\.ts: .*got 3$/],
  ];
  for (const [name, text, message] of cases) {
    const error = await refusal({ files: { [name]: text } });
    assert.equal(error.code, "config-file-damaged");
    assert.match(error.message, message);
  }
});
