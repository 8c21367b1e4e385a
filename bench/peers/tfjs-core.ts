// Completes tf.core in Node, on whichever backend.

import { registerHooks } from "node:module";

/**
 * Registers the gradients of all ops, and ops as methods of tensors. tf.core's build for Node leaves both to the package
 * @tensorflow/tfjs; its sources have them, with imports that lack the file's ending. They meet in tf.core's global
 * registry and class of tensors.
 */
export async function completeTfjsCore(): Promise<void> {
  registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!context.parentURL?.includes("@tensorflow")) throw error;
        return next(`${specifier}.js`, context);
      }
    },
  });
  await import("@tensorflow/tfjs-core/dist/register_all_gradients.js");
  await import("@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js");
}
