// `sltrain train --device webgpu` as a user runs it, on lavapipe, or on the machine's own GPU (test/support/gpu.ts).

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { GpuShare } from "../../src/plan/gpu-placement.ts";
import { LAVAPIPE_DRIVER } from "../../tools/lavapipe.ts";
import { IDX_U8, idx, writeData } from "../data/files.ts";
import { eventsOf, lastEvent, sltrain, temporaryFolder, type Ended, type JsonEvent } from "../support/cli.ts";
import { gpuEnvironment, needsGpu } from "../support/gpu.ts";
import { needs } from "../support/requirement.ts";

const folder = temporaryFolder();
after(folder.remove);
const small = ["train", "--model", "lr", "--data", "random-binary:2000", "--epochs", "1", "--json"];

function train(
  args: readonly string[],
  env: Readonly<Record<string, string>> = gpuEnvironment,
): Promise<Ended> {
  return sltrain([...small, ...args], folder.path, env);
}

/** 28x28 images of ten classes, each a bar at its own place among noise. */
function writeDigits(count: number, path = folder.path): string {
  const rows = [...Array(count).keys()];
  const pixels = rows.flatMap((row) =>
    [...Array(28 * 28).keys()].map((i) => {
      const isBar = Math.floor((i % 28) / 2.8) === row % 10;
      return (isBar ? 160 : 0) + ((31 * i + 17 * row) % 80);
    }),
  );
  writeData(
    path,
    "train-labels-idx1-ubyte",
    idx(
      IDX_U8,
      [count],
      rows.map((row) => row % 10),
    ),
  );
  return writeData(path, "train-images-idx3-ubyte", idx(IDX_U8, [count, 28, 28], pixels));
}

describe("LeNet-5 on a GPU", needsGpu, () => {
  const data = writeDigits(40);
  /** Eight samples a worker and step: every run's kernels are the same, and lavapipe takes its time to compile one. */
  const run = async (workers: number, ...more: readonly string[]): Promise<readonly JsonEvent[]> => {
    const size = ["--workers", String(workers), "--batch-size", String(8 * workers)];
    const args = ["train", "--model", "lenet5", "--data", data, "--epochs", "1", "--json"];
    const ended = await sltrain([...args, ...size, ...more], folder.path, gpuEnvironment);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    return eventsOf(ended);
  };
  const near = (actual: unknown, expected: unknown): void =>
    assert.ok(
      Math.abs((actual as number) - (expected as number)) <= 1e-4 * Math.abs(expected as number),
      `${String(actual)} is not ${String(expected)}`,
    );
  let alone: JsonEvent;

  const crews: readonly (readonly [workers: number, ...more: string[]])[] = [
    [1],
    [2],
    [2, "--compress", "bf16"],
  ];
  for (const [workers, ...more] of crews) {
    test(`has the losses of wasm with ${[workers, ...more].join(" ")} at work, and names it`, async () => {
      const onWasm = (await run(workers, ...more)).at(-1)!;
      const share = ["--functions-per-gpu", String(workers)];
      const events = await run(workers, "--device", "webgpu", ...share, ...more);
      const [started, summary] = [events[0]!, events.at(-1)!];
      if (workers === 1) alone = summary;
      for (const event of [started, summary]) {
        assert.equal(event.device, "webgpu");
        const [gpu, ...others] = event.gpus as GpuShare[];
        assert.deepEqual([gpu!.index, gpu!.ranks, others], [0, [...Array(workers).keys()], []]);
      }
      const [losses, expected] = [summary.firstLosses, onWasm.firstLosses] as number[][];
      assert.equal(losses!.length, expected!.length);
      losses!.forEach((loss, step) => near(loss, expected![step]));
      near(summary.loss, onWasm.loss);
      near(summary.validationLoss, onWasm.validationLoss);
      assert.ok((summary.gpuBusyMs as number) > 0);
    });
  }

  test("gives the same bits again, and a model that answers there as well", async () => {
    const again = (await run(1, "--device", "webgpu")).at(-1)!;
    assert.equal(again.parametersSha256, alone.parametersSha256);
    const runId = again.runId as string;
    const asked = ["evaluate", runId, "--device", "webgpu", "--adapter", "0", "--json"];
    const evaluated = lastEvent(await sltrain(asked, folder.path, gpuEnvironment));
    near(evaluated.loss, again.validationLoss);
    assert.equal(evaluated.device, "webgpu");
    assert.equal((evaluated.adapter as { name: string }).name, (again.gpus as GpuShare[])[0]!.name);
    const outputsOn = async (device: string): Promise<number[]> => {
      const images = ["predict", runId, data, "--device", device, "--json"];
      const { predictions } = lastEvent(await sltrain(images, folder.path, gpuEnvironment));
      return (predictions as { outputs: number[] }[]).flatMap(({ outputs }) => outputs);
    };
    const [onGpu, onWasm] = [await outputsOn("webgpu"), await outputsOn("wasm")];
    assert.equal(onGpu.length, 40 * 10);
    onGpu.forEach((output, i) => assert.ok(Math.abs(output - onWasm[i]!) < 1e-5, `output ${i}`));
  });
});

describe("an MLP in f16 on a GPU", needsGpu, () => {
  // Apart from LeNet-5's, whose files have the same names.
  const own = temporaryFolder();
  after(own.remove);
  const data = writeDigits(80, own.path);
  const run = async (...more: readonly string[]): Promise<JsonEvent> => {
    const size = ["--workers", "2", "--batch-size", "64", "--lr", "0.01", "--epochs", "3"];
    const args = ["train", "--model", "mlp", "--data", data, "--json", ...size, ...more];
    const ended = await sltrain(args, folder.path, gpuEnvironment);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    return lastEvent(ended);
  };

  test("has about the losses of wasm, with two at work", async () => {
    const [half, single] = [await run("--device", "webgpu", "--precision", "f16"), await run()];
    const [losses, expected] = [half.firstLosses, single.firstLosses] as number[][];
    assert.equal(losses!.length, expected!.length);
    assert.notDeepEqual(losses, expected);
    losses!.forEach((loss, step) => assert.ok(Math.abs(loss / expected![step]! - 1) < 1e-2, `step ${step}`));
    assert.deepEqual([half.skippedSteps, single.skippedSteps], [0, undefined]);
  });

  test("is refused where there is no GPU to be sure of", async () => {
    const failed = lastEvent(await train(["--device", "auto", "--precision", "f16"]));
    assert.equal(failed.code, "config-conflict");
  });
});

describe("a GPU that is not there", () => {
  const noDriver = { VK_DRIVER_FILES: "/dev/null", VK_ICD_FILENAMES: "/dev/null" };

  test("is told with what is missing, before anything is started", async () => {
    const ended = await train(["--device", "webgpu"], noDriver);
    assert.equal(ended.code, 1);
    const [failed] = eventsOf(ended);
    assert.equal(failed!.event, "run.failed");
    assert.equal(failed!.code, "adapter-missing");
    assert.match((failed!.suggestions as string[]).join(" "), /--device wasm/);
  });

  test("is no need of auto, which trains on the processor and says so", async () => {
    const ended = await train(["--device", "auto", "--workers", "1"], noDriver);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const [started, warning] = eventsOf(ended);
    assert.deepEqual([started!.device, started!.gpus], ["wasm", []]);
    assert.match(warning!.message as string, /--device auto: training on the processor, for .*got none/);
    assert.equal(lastEvent(ended).device, "wasm");
  });

  test("is told with those there are where another name was given", needsGpu, async () => {
    const failed = lastEvent(await train(["--device", "webgpu", "--adapter", "voodoo2"]));
    assert.equal(failed.code, "adapter-missing");
    assert.match(failed.message as string, /got voodoo2; there are 0: \S+/);
  });

  test("is told where functions are more than fit on what there is", needsGpu, async () => {
    const args = ["--device", "webgpu", "--functions-per-gpu", "1", "--adapter", "0", "--workers", "2"];
    const failed = lastEvent(await train(args));
    assert.equal(failed.code, "gpus-too-few");
    assert.match((failed.suggestions as string[])[0]!, /--workers 1 or fewer, or --functions-per-gpu 2/);
  });
});

test("auto takes no software for a GPU, and names it", needs("lavapipe"), async () => {
  const lavapipe = { VK_DRIVER_FILES: LAVAPIPE_DRIVER, VK_ICD_FILENAMES: LAVAPIPE_DRIVER };
  const ended = await train(["--device", "auto", "--workers", "1"], lavapipe);
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  assert.match(eventsOf(ended)[1]!.message as string, /for llvmpipe .* is software/);
});
