// `sltrain/tfjs`: sltrain's kernels for tf.js's wasm backend, so that it trains convolutional networks.

export { registerKernels, type RegisterOptions } from "./register.ts";
