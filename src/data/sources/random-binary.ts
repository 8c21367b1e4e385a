// Random binary rows with the labels of a fixed random teacher: the synthetic task of Feng et al., "Exploring serverless
// computing for neural network training", CLOUD 2018 (20 binary features, one binary label, any number of rows).

import { SltrainError } from "../../errors.ts";
import { RandomStream } from "../../random.ts";
import type { RowBlock, RowReader } from "../rows.ts";
import type { Source } from "../source.ts";

const FEATURES = 20;
const HIDDEN = 4;
const DEFAULT_ROWS = 1_000_000;
const MAX_VALIDATION_ROWS = 10_000;
const BLOCK_ROWS = 50_000;
// The teacher never changes; only the rows depend on the seed.
const TEACHER_SEED = 22;
/** A bit b becomes 2b - 1: mean 0 and deviation 1. */
const TRANSFORM = { scale: [2], offset: [-1] };

/**
 * `rows` rows to train on, and a tenth as many (at most 10,000) to validate on.
 * @param rows decimal, 10..100,000,000; a million if absent
 * @throws SltrainError "data-argument"
 */
export function randomBinarySource(rows: string | undefined, seed: number): Source {
  const count = rows === undefined ? DEFAULT_ROWS : Number(rows);
  if (!Number.isInteger(count) || count < 10 || count > 1e8) {
    throw new SltrainError({
      code: "data-argument",
      message: `random-binary: expected a number of rows in 10..100000000, got "${String(rows)}"`,
      suggestions: ["For example: --data random-binary:100000"],
    });
  }
  const validationCount = Math.min(MAX_VALIDATION_ROWS, Math.ceil(count / 10));
  return {
    name: "random-binary",
    source: `${count} rows generated from seed ${seed}`,
    inputs: [`${count} rows of seed ${seed}, teacher ${TEACHER_SEED}`],
    transform: TRANSFORM,
    open: () => {
      const teacher = makeTeacher();
      return {
        train: labelledRows(teacher, count, new RandomStream(seed, "random-binary train")),
        validation: labelledRows(
          teacher,
          validationCount,
          new RandomStream(seed, "random-binary validation"),
        ),
      };
    },
  };
}

/** Bit pattern of a row -> its label. */
type Teacher = (bits: number) => 0 | 1;

/**
 * A network 20-4-1 on inputs of -1 and 1, with rectified units so that one product of floats after the other is the same
 * on every machine, and with its median output as the threshold, so that the classes are balanced.
 */
function makeTeacher(): Teacher {
  const stream = new RandomStream(TEACHER_SEED, "random-binary teacher");
  const uniform = () => 2 * stream.nextUniform() - 1;
  const hidden = Float64Array.from({ length: HIDDEN * FEATURES }, uniform);
  const bias = Float64Array.from({ length: HIDDEN }, uniform);
  const output = Float64Array.from({ length: HIDDEN }, uniform);
  const score = (bits: number): number => {
    let sum = 0;
    for (let unit = 0; unit < HIDDEN; unit++) {
      let activation = bias[unit]!;
      for (let f = 0; f < FEATURES; f++) {
        const weight = hidden[unit * FEATURES + f]!;
        activation += (bits >>> f) & 1 ? weight : -weight;
      }
      if (activation > 0) sum += output[unit]! * activation;
    }
    return sum;
  };
  const scores = Float64Array.from({ length: 4001 }, () => score(stream.nextU32())).sort();
  const threshold = scores[2000]!;
  return (bits) => (score(bits) > threshold ? 1 : 0);
}

function labelledRows(teacher: Teacher, count: number, stream: RandomStream): RowReader {
  function block(rows: number): RowBlock {
    const features = new Uint8Array(rows * FEATURES);
    const labels = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const bits = stream.nextU32();
      for (let f = 0; f < FEATURES; f++) features[row * FEATURES + f] = (bits >>> f) & 1;
      labels[row] = teacher(bits);
    }
    return { count: rows, features, labels };
  }
  return {
    // eslint-disable-next-line @typescript-eslint/require-await
    async *read() {
      for (let made = 0; made < count; made += BLOCK_ROWS) yield block(Math.min(BLOCK_ROWS, count - made));
    },
    facts: () => ({
      featureShape: [FEATURES],
      featureType: "u8",
      labels: { kind: "classes", values: [0, 1] },
      skippedRecords: 0,
    }),
  };
}
