// `sltrain train --device webgpu` as a user runs it, on lavapipe, or on the machine's own GPU (test/support/gpu.ts).

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { LAVAPIPE_DRIVER } from "../../tools/lavapipe.ts";
import { eventsOf, lastEvent, sltrain, temporaryFolder, type Ended } from "../support/cli.ts";
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
