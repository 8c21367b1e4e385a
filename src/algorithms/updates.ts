// The optimiser's part of a replica: its state among the vectors, and the compiled updates of the whole flat vector.

import { assert } from "../errors.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import { buildUpdateProgram } from "../optim/update-program.ts";
import type { Layout } from "../shard/layout.ts";
import type { Compiled, ModelVectors } from "./model-vectors.ts";

export class Updates {
  readonly #vectors: ModelVectors;
  readonly #parameters: Layout;
  #optimizer: Optimizer | undefined;
  #ofMeans: Compiled | undefined;
  #ofSums: Promise<Compiled> | undefined;
  #newest: Promise<void> = Promise.resolve();

  constructor(vectors: ModelVectors, parameters: Layout) {
    this.#vectors = vectors;
    this.#parameters = parameters;
  }

  /** Allocates the state (zeros) and compiles the update by mean gradients. */
  async use(optimizer: Optimizer): Promise<void> {
    this.#optimizer = optimizer;
    this.#ofMeans = await this.#vectors.compile(buildUpdateProgram(optimizer, this.#parameters));
  }

  get optimizer(): Optimizer {
    assert(this.#optimizer !== undefined, "an update before useOptimizer");
    return this.#optimizer;
  }

  /** The newest one, which the device may not have finished. */
  get newest(): Promise<void> {
    return this.#newest;
  }

  /** By the mean gradients in `gradients`. `hyper` f32[8] as the update ops read it. */
  async byMeans(hyper: Float32Array): Promise<void> {
    assert(this.#ofMeans !== undefined, "applyUpdate before useOptimizer");
    await this.#run(this.#ofMeans, hyper);
  }

  /** To be awaited ahead of the pass whose sums `bySums` is to go by, so that nothing comes between the two. */
  async prepareBySums(): Promise<(samples: number, hyper: Float32Array) => Promise<void>> {
    const program = () => buildUpdateProgram(this.optimizer, this.#parameters, { ofSums: true });
    const update = await (this.#ofSums ??= this.#vectors.compile(program()));
    return (samples, hyper) => {
      this.#vectors.write("samples", Float32Array.of(samples));
      return this.#run(update, hyper);
    };
  }

  /** As long as the device is the host it is waited for; else whoever waits for the next results waits for it too. */
  async #run({ step }: Compiled, hyper: Float32Array): Promise<void> {
    this.#vectors.write("hyper", hyper);
    this.#newest = step.run();
    // What it throws is thrown there.
    this.#newest.catch(() => undefined);
    if (this.#vectors.device.runsUnderWay === 1) await this.#newest;
  }
}
