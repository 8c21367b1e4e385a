import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { SltrainError } from "../../../src/errors.ts";
import { layoutOf, vectorNames } from "../../../src/graph/graph.ts";
import { Replica } from "../../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { buildModel } from "../../../src/models/build.ts";
import { formatTfjs } from "../../../src/models/format-tfjs.ts";
import { freezeLayers } from "../../../src/models/freeze.ts";
import { loadModel } from "../../../src/models/load-model.ts";
import { encodeSafetensors, type NamedTensor } from "../../../src/models/safetensors.ts";
import type { Topology } from "../../../src/models/topology.ts";
import { vgg, vgg19 } from "../../../src/models/vgg.ts";
import { matchWeights, type NewHead } from "../../../src/models/weights/match.ts";
import { openWeightFile } from "../../../src/models/weights/weight-file.ts";

const folder = mkdtempSync(join(tmpdir(), "sltrain-weights-"));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, parts: readonly Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

/** What a model's tensors are after a file was read: by name. */
async function taken(topology: Topology, path: string, newHead: NewHead = "auto") {
  const file = await openWeightFile(path);
  try {
    const { matches, fresh } = matchWeights(topology, file, newHead);
    const values = new Map<string, Float32Array>();
    const { graph } = buildModel(topology, 1, { training: false });
    const lengths = new Map(vectorNames.flatMap((v) => graph[v].map(({ name, length }) => [name, length])));
    for (const { name, read } of matches) {
      // In two parts, as chunks in storage may cut a tensor.
      const length = lengths.get(name)!;
      const parts = [await read(0, length >> 1), await read(length >> 1, length)];
      values.set(name, Float32Array.from(parts.flatMap((part) => [...part])));
    }
    return { values, fresh };
  } finally {
    await file.close();
  }
}

/** Tensors of different numbers, exact in every type that is tried. */
function numbered(topology: Topology, modulus = 251): readonly NamedTensor[] {
  const { graph } = buildModel(topology, 1, { training: false });
  return vectorNames.flatMap((vector) =>
    graph[vector].map(({ name, shape, length }, index) => ({
      ...{ name, shape },
      data: Float32Array.from({ length }, (_, i) => (i * 7 + index * 13) % modulus),
    })),
  );
}

function assertEqual(values: ReadonlyMap<string, Float32Array>, tensors: readonly NamedTensor[]): void {
  assert.deepEqual([...values.keys()].sort(), tensors.map(({ name }) => name).sort());
  for (const { name, data } of tensors) assert.deepEqual(values.get(name), data, name);
}

const lenet5 = await loadModel("lenet5", { inputShape: [28, 28, 1], outputs: 10 });
const resnet20 = await loadModel("resnet20", { inputShape: [8, 8, 3], outputs: 4 });
const smallVgg = vgg("vgg19", { ...vgg19, width: 2, units: 6 }, { inputShape: [64, 96, 3], outputs: 5 });

suite("weights are read", () => {
  test("from safetensors under our names, batch norm's statistics among them", async () => {
    const path = write("own.safetensors", encodeSafetensors(numbered(resnet20)));
    assertEqual((await taken(resnet20, path)).values, numbered(resnet20));
  });

  test("from tf.js's model.json and its shards, wherever a shard ends", async () => {
    const tensors = numbered(lenet5);
    const { modelJson, weights } = formatTfjs(lenet5, new Map(tensors.map((t) => [t.name, t])), {});
    const bytes = Buffer.concat(weights);
    const shards = [bytes.subarray(0, 1001), bytes.subarray(1001)];
    shards.forEach((shard, i) => write(`shard${i}.bin`, [shard]));
    const json = modelJson.replace('"weights.bin"', '"shard0.bin","shard1.bin"');
    assertEqual((await taken(lenet5, write("model.json", [Buffer.from(json)]))).values, tensors);
  });

  test("as tf.js's converter quantises them: bytes with a scale and a minimum, and f16", async () => {
    const topology = await loadModel("lr", { inputShape: [3], outputs: 2 });
    const manifest = [
      {
        paths: ["quantised.bin"],
        weights: [
          {
            ...{ name: "dense/kernel", shape: [3, 1], dtype: "float32" },
            quantization: { dtype: "uint8", scale: 0.5, min: -1, original_dtype: "float32" },
          },
          { ...{ name: "dense/bias", shape: [1], dtype: "float32" }, quantization: { dtype: "float16" } },
        ],
      },
    ];
    // 0xc500 is -5 in half precision.
    write("quantised.bin", [Uint8Array.of(0, 2, 255, 0x00, 0xc5)]);
    const path = write("quantised.json", [Buffer.from(JSON.stringify({ weightsManifest: manifest }))]);
    const one = { ...topology, layers: [{ ...topology.layers[0]!, units: 1 }] } as Topology;
    const { values } = await taken(one, path);
    assert.deepEqual(values.get("dense/kernel"), Float32Array.of(-1, 0, 126.5));
    assert.deepEqual(values.get("dense/bias"), Float32Array.of(-5));
  });

  test("under Keras's names for VGG19", async () => {
    const theirs = new Map([
      ["conv2d/", "block1_conv1/block1_conv1/"],
      ["conv2d_2/", "block2_conv1/"],
      ["conv2d_15/", "block5_conv4/"],
      ["dense/", "fc1/"],
      ["dense_1/", "fc2/"],
      ["dense_2/", "predictions/"],
    ]);
    const blocks = [2, 2, 4, 4, 4].flatMap((count, b) =>
      Array.from({ length: count }, (_, i) => `block${b + 1}_conv${i + 1}/`),
    );
    blocks.forEach((name, i) => {
      const ours = i === 0 ? "conv2d/" : `conv2d_${i}/`;
      if (!theirs.has(ours)) theirs.set(ours, name);
    });
    const renamed = numbered(smallVgg).map((tensor) => {
      const [layer, kind] = tensor.name.split("/") as [string, string];
      return { ...tensor, name: `${theirs.get(`${layer}/`)}${kind}:0` };
    });
    const path = write("keras.safetensors", encodeSafetensors(renamed));
    assertEqual((await taken(smallVgg, path)).values, numbered(smallVgg));
  });
});

suite("weights of PyTorch", () => {
  const script = `
import json, struct, sys, torch
torch.manual_seed(1)
n = torch.nn
layers, c = [], 3
for count, w in zip([2, 2, 4, 4, 4], [2, 4, 8, 16, 16]):
    for _ in range(count):
        layers += [n.Conv2d(c, w, 3, padding=1), n.ReLU()]
        c = w
    layers += [n.MaxPool2d(2)]
class Vgg(n.Module):
    def __init__(self):
        super().__init__()
        self.features = n.Sequential(*layers)
        self.classifier = n.Sequential(n.Linear(16 * 2 * 3, 6), n.ReLU(), n.Dropout(), n.Linear(6, 6), n.ReLU(), n.Dropout(), n.Linear(6, 5))
    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))
model = Vgg().eval()
for p in model.parameters():
    p.data *= 2
x = torch.randn(2, 3, 64, 96)
y = torch.softmax(model(x), 1)
header, body = {}, b""
for name, t in model.state_dict().items():
    data = t.numpy().tobytes()
    header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(body), len(body) + len(data)]}
    body += data
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + body)
print(json.dumps({"x": x.permute(0, 2, 3, 1).flatten().tolist(), "y": y.flatten().tolist()}))
`;

  test("under torchvision's names make VGG19 answer as PyTorch does", async (t) => {
    const path = join(folder, "torch.safetensors");
    let printed: string;
    try {
      printed = execFileSync("/usr/bin/python3", ["-c", script, path], { encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      if (!String((error as { stderr?: string }).stderr ?? error).match(/No module named|ENOENT/))
        throw error;
      t.skip("no PyTorch here");
      return;
    }
    const { x, y } = JSON.parse(printed) as { x: number[]; y: number[] };
    const { values } = await taken(smallVgg, path);
    const device = await createWasmDevice();
    const replica = new Replica({ device, topology: smallVgg, loss: "softmax-cross-entropy", seed: 1 });
    const { graph } = buildModel(smallVgg, 1, { training: false });
    const parameters = new Float32Array(layoutOf(graph.parameters).length);
    for (const { name, offset } of graph.parameters) parameters.set(values.get(name)!, offset);
    replica.write("parameters", parameters);
    const ours = await replica.runPrediction(2, Float32Array.from(x));
    const largest = Math.max(...y.map((value, i) => Math.abs(value - ours[i]!)));
    assert.ok(largest < 1e-5, `differ by ${largest}: ${ours.join()} and ${y.join()}`);
    assert.ok(Math.max(...y) - Math.min(...y) > 1e-3);
  });
});

suite("a new head", () => {
  const tenClasses = write("ten.safetensors", encodeSafetensors(numbered(lenet5)));
  const three = async () => await loadModel("lenet5", { inputShape: [28, 28, 1], outputs: 3 });

  test("begins anew where other layers are frozen and its shape is another", async () => {
    const { values, fresh } = await taken(freezeLayers(await three(), "all-but-head"), tenClasses);
    assert.deepEqual(fresh, ["dense_2/kernel", "dense_2/bias"]);
    assert.ok(!values.has("dense_2/bias") && values.has("dense_1/bias"));
  });

  test("is not assumed where nothing is frozen, and told of", async () => {
    await assert.rejects(taken(await three(), tenClasses), {
      code: "weights-mismatch",
      message: /dense_2\/kernel \[84,3\], got dense_2\/kernel \[84,10\]; dense_2\/bias \[3\], got .*\[10\]/,
      suggestions: ["Write --new-head on to train a new last layer."],
    });
    assert.deepEqual((await taken(await three(), tenClasses, "on")).fresh.length, 2);
  });

  test("begins anew even where the file's would fit, if the user says so", async () => {
    assert.equal((await taken(lenet5, tenClasses)).fresh.length, 0);
    assert.equal((await taken(lenet5, tenClasses, "on")).fresh.length, 2);
  });
});

suite("weights are refused", () => {
  test("with all that is missing or of another shape at once", async () => {
    const tensors = numbered(lenet5)
      .filter(({ name }) => name !== "conv2d/bias")
      .map((tensor) => (tensor.name === "dense/kernel" ? { ...tensor, shape: [120, 400] } : tensor));
    const path = write("other.safetensors", encodeSafetensors(tensors));
    await assert.rejects(taken(lenet5, path), {
      code: "weights-mismatch",
      message:
        /other\.safetensors: expected conv2d\/bias \[6\], got none; dense\/kernel \[400,120\], got dense\/kernel \[120,400\]/,
    });
  });

  for (const [subject, name, bytes, expected] of [
    [
      "a cut file",
      "cut.safetensors",
      Buffer.concat(encodeSafetensors(numbered(lenet5))).subarray(0, 5000),
      /expected offsets within/,
    ],
    ["HDF5", "model.h5", Buffer.from("\x89HDF\r\n\x1a\n........", "latin1"), /HDF5/],
    ["a .keras archive", "model.keras", Buffer.from("PK\x03\x04............"), /archive/],
    ["an empty file", "empty", Buffer.alloc(0), /begins with ""/],
    ["a model.json without weights", "bare.json", Buffer.from('{"modelTopology":{}}'), /weightsManifest/],
    [
      "a shard outside of the folder",
      "reach.json",
      Buffer.from(
        '{"weightsManifest":[{"paths":["../x"],"weights":[{"name":"a","shape":[1],"dtype":"float32"}]}]}',
      ),
      /beside it/,
    ],
  ] as const)
    test(`from ${subject}`, async () => {
      await assert.rejects(taken(lenet5, write(name, [bytes])), (error) => {
        assert.ok(error instanceof SltrainError, String(error));
        assert.ok(error.message.startsWith(join(folder, name)), error.message);
        assert.match(error.message, expected);
        return true;
      });
    });
});
