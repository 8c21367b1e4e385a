// What is measured on a GPU in one go, and how much of it.

export interface GpuBenchPlan {
  /** Extents of square products. */
  readonly products: readonly number[];
  /** All convolutions of a model's training step, at a batch. */
  readonly convolutions: ModelAtBatch;
  readonly steps: readonly ModelAtBatch[];
  /** Of LeNet-5, in what follows. */
  readonly batchSize: number;
  /** Steps whose time on the host is taken, after a fifth as many that warm up. */
  readonly hostSteps: number;
  /** For how long memory is watched while it trains. */
  readonly memoryS: number;
  /** Processes that open the adapter, train one step and end. */
  readonly processStarts: number;
}

export interface ModelAtBatch {
  readonly model: string;
  readonly batchSize: number;
}

/** Some five minutes on an H100; ResNet-34 on images of 224 x 224, the others of 28 x 28. */
export const fullPlan: GpuBenchPlan = {
  products: [1024, 4096],
  convolutions: { model: "resnet34", batchSize: 128 },
  steps: [
    { model: "lenet5", batchSize: 128 },
    { model: "mlp", batchSize: 128 },
    { model: "resnet20", batchSize: 128 },
    { model: "resnet34", batchSize: 32 },
  ],
  batchSize: 128,
  processStarts: 100,
  hostSteps: 1000,
  memoryS: 120,
};

/** Everything once and tiny, for a software adapter: it shows that the bench works, and nothing else. */
export const smokePlan: GpuBenchPlan = {
  products: [256],
  convolutions: { model: "lenet5", batchSize: 2 },
  steps: [{ model: "lenet5", batchSize: 4 }],
  batchSize: 4,
  processStarts: 2,
  hostSteps: 10,
  memoryS: 1,
};
