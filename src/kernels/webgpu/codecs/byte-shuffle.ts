// Kernels of byte-shuffle and byte-unshuffle: four words an invocation, a 4x4 transpose of their bytes.

import type { KernelCall } from "../../kernel.ts";
import { byteShuffle, byteUnshuffle, planeWords } from "../../ops/byte-shuffle.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";

const PLANES = [0, 1, 2, 3];

/** `gather(words, k)`: byte k of each of the four, the first one's lowest. */
const GATHER = `fn gather(words: vec4u, k: u32) -> u32 {
  let bytes = (words >> vec4u(8u * k)) & vec4u(0xffu);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}
`;

const shuffleKernel: WebGpuKernel = {
  name: "byte-shuffle-webgpu",
  op: byteShuffle,
  accepts: () => true,
  build({ inputs }: KernelCall) {
    const length = elementCount(inputs[0]!);
    const plane = planeWords(length);
    const present = `4u * vec4u(i) + vec4u(0u, 1u, 2u, 3u) < vec4u(${length}u)`;
    return {
      passes: [
        flatPass({
          count: plane,
          bindings: {
            words: { of: { input: 0 }, type: "vec4u" },
            planes: { of: { output: 0 }, type: "u32" },
          },
          module: GATHER,
          body: `let words = ${length % 4 === 0 ? "$words[i]" : `select(vec4u(), $words[i], ${present})`};
  ${PLANES.map((k) => `$planes[${k * plane}u + i] = gather(words, ${k}u);`).join("\n  ")}`,
        }),
      ],
    };
  },
};

const unshuffleKernel: WebGpuKernel = {
  name: "byte-unshuffle-webgpu",
  op: byteUnshuffle,
  accepts: () => true,
  build({ outputs }: KernelCall) {
    const length = elementCount(outputs[0]!);
    const plane = planeWords(length);
    const planes = PLANES.map((k) => `$planes[${k * plane}u + i]`);
    return {
      passes: [
        flatPass({
          count: plane,
          bindings: {
            planes: { of: { input: 0 }, type: "u32" },
            words: { of: { output: 0 }, type: "vec4u" },
          },
          module: GATHER,
          body: `let planes = vec4u(${planes.join(", ")});
  ${storeVec4("words", `vec4u(${PLANES.map((k) => `gather(planes, ${k}u)`).join(", ")})`, length)}`,
        }),
      ],
    };
  },
};

export const byteShuffleKernels: readonly WebGpuKernel[] = [shuffleKernel, unshuffleKernel];
