// The image that `npm run image` builds, where podman has it: on lavapipe's machine as well, for what is tried needs no GPU.
// PODMAN is how podman is called, where that is not its name alone.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";

const IMAGE = process.env["SLTRAIN_TEST_IMAGE"] ?? "localhost/sltrain:gpu";
const [podman = "podman", ...options] = (process.env["PODMAN"] ?? "podman").split(" ");

function run(...args: readonly string[]) {
  return spawnSync(podman, [...options, ...args], { encoding: "utf8" });
}

/** What `npm run image` makes is too much for every `npm test`: the image has to be there. */
const skip =
  run("image", "exists", IMAGE).status === 0 ? false : `podman has no image ${IMAGE} (npm run image)`;

describe("the container image", { skip }, () => {
  const inImage = (...args: readonly string[]) => run("run", "--rm", "--network=none", IMAGE, ...args);

  test("lists devices with the loader and Dawn that it brings, and no driver", () => {
    const { status, stdout, stderr } = inImage("devices", "--json");
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { adapters: [] });
  });

  test("says that the driver is what it lacks where no GPU is passed in", () => {
    const { status, stdout } = inImage("doctor", "--device", "webgpu");
    assert.equal(status, 1);
    assert.match(stdout, /failing +Vulkan +loader, but no driver/);
    assert.match(stdout, /NVIDIA_DRIVER_CAPABILITIES/);
  });

  test("trains on the processor as a user that is not root", () => {
    const args = [
      "--model",
      "lr",
      "--data",
      "random-binary:2000",
      "--epochs",
      "1",
      "--workers",
      "1",
      "--json",
    ];
    const { status, stdout, stderr } = inImage("train", "--device", "auto", ...args);
    assert.equal(status, 0, stdout + stderr);
    const [started, warning] = stdout
      .split("\n")
      .map((line) => (line === "" ? {} : (JSON.parse(line) as object)));
    assert.equal((started as { device: string }).device, "wasm");
    assert.match((warning as { message: string }).message, /--device auto: training on the processor/);
  });
});
