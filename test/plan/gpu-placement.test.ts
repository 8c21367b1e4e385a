import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdapterDescription } from "../../src/device/webgpu/adapters.ts";
import { gpuOf, shareGpus, usableGpus } from "../../src/plan/gpu-placement.ts";

function machine(...names: readonly string[]): AdapterDescription[] {
  return names.map((name, index) => ({
    ...{ index, name, vendor: "", architecture: "", driver: "", backend: "vulkan" as const },
    ...{ isSoftware: name === "llvmpipe", features: [], limits: {} },
  }));
}

const mixed = machine("NVIDIA H100", "NVIDIA L4", "Intel Arc", "llvmpipe");
const namesOf = (adapters: readonly AdapterDescription[]) => adapters.map(({ name }) => name);

test("software is used only where it is meant, or where there is nothing else", () => {
  assert.deepEqual(namesOf(usableGpus(mixed, undefined)), ["NVIDIA H100", "NVIDIA L4", "Intel Arc"]);
  assert.deepEqual(namesOf(usableGpus(mixed, "LLVM")), ["llvmpipe"]);
  assert.deepEqual(namesOf(usableGpus(machine("llvmpipe"), undefined)), ["llvmpipe"]);
});

test("a part of a name means all that have it, an index one", () => {
  assert.deepEqual(namesOf(usableGpus(mixed, "nvidia")), ["NVIDIA H100", "NVIDIA L4"]);
  assert.deepEqual(namesOf(usableGpus(mixed, "2")), ["Intel Arc"]);
  assert.deepEqual(usableGpus(mixed, "radeon"), []);
});

test("of equal names the first stands for all: no other can be reached", () => {
  const twins = machine("NVIDIA H100", "NVIDIA H100");
  assert.deepEqual(
    usableGpus(twins, undefined).map(({ index }) => index),
    [0],
  );
});

test("all ranks share the first GPU unless it is said how many may", () => {
  const gpus = usableGpus(mixed, undefined);
  assert.deepEqual(shareGpus(3, gpus, {}), [
    { index: 0, name: "NVIDIA H100", isSoftware: false, ranks: [0, 1, 2] },
  ]);
  const shares = shareGpus(5, gpus, { functionsPerGpu: 2 });
  assert.deepEqual(
    shares.map(({ index, ranks }) => [index, ranks]),
    [
      [0, [0, 1]],
      [1, [2, 3]],
      [2, [4]],
    ],
  );
});

test("more functions than fit are refused, with numbers that would do", () => {
  const gpus = usableGpus(mixed, "nvidia");
  assert.throws(() => shareGpus(5, gpus, { functionsPerGpu: 2 }), {
    code: "gpus-too-few",
    message: /5 workers with 2 on each, got 2 for 4: NVIDIA H100, NVIDIA L4/,
  });
});

test("a rank that joins a full machine shares a GPU with the first ones", () => {
  const gpus = usableGpus(mixed, "nvidia");
  assert.equal(gpuOf(4, gpus, { functionsPerGpu: 2 }).name, "NVIDIA H100");
});
