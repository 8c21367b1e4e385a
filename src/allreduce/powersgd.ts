// PowerSGD as a collective (Vogels et al., "PowerSGD: Practical Low-Rank Gradient Compression", NeurIPS 2019, algorithms 1
// and 2): each matrix M of the gradient, with the residual of earlier rounds, becomes P Q^T in two all-reduces of thin
// matrices, P = M Q and, after P was made orthonormal, Q = M^T P; Q starts from that of the round before. Filters are
// matrices of all but their last axis by their last (output channels). What is no matrix, or too small to gain, rides
// with the first all-reduce as it is, and so do statistics, scalars and weights.
//
// Ranks hold sums of samples: P and Q are sums over ranks divided by the total weight, and a rank's residual is its sums
// less its weight times P Q^T, so that the residuals of all ranks add up to what the mean lost.

import { assert } from "../errors.ts";
import { hashName, RandomStream } from "../random.ts";
import { bucketRanges } from "../shard/buckets.ts";
import { f32 } from "../shard/codec/f32.ts";
import type { ElementRange, LayoutEntry } from "../shard/layout.ts";
import type { RequestPrices } from "../storage/prices.ts";
import { restoreState, sharedFloats } from "./collective-state.ts";
import type { Collective, CollectiveState, Round, RoundOptions, RoundResult } from "./collective.ts";
import { type Exchange, openExchange, replayedScalars, scalarsAlone } from "./exchange.ts";
import { pricesOf } from "./medium.ts";
import { type MatrixShape, orthonormal, takeProduct, timesLeft, timesRight } from "./low-rank.ts";
import type { LaneOptions } from "./lane.ts";
import type { CollectiveOptions } from "./open-collective.ts";
import { patternAt } from "./pattern.ts";

export interface PowerSgdOptions extends Omit<CollectiveOptions, "codec"> {
  /** Rank-1 terms of each matrix. */
  readonly terms: number;
}

/** A matrix of the flat vector, and where its parts lie in the vectors of the two all-reduces. */
interface Factored extends ElementRange {
  readonly shape: MatrixShape;
  /** Its own number, for its first Q. */
  readonly stream: number;
  /** Offsets of P, Q and the residual. */
  readonly p: number;
  readonly q: number;
  readonly residual: number;
}

/** Sent as it is, at the first all-reduce's offset `p`. */
interface Plain extends ElementRange {
  readonly p: number;
}

interface Division {
  readonly matrices: readonly Factored[];
  readonly plain: readonly Plain[];
  /** Elements of the vectors of the two all-reduces, and of the residuals of all matrices. */
  readonly pLength: number;
  readonly qLength: number;
  readonly residualLength: number;
}

type LaneName = "p" | "q" | "scalars";
type Grid = Pick<PowerSgdOptions, "layout" | "statistics" | "bucketBytes" | "reduce" | "terms" | "packed">;

const ALIGNMENT = 64;
const aligned = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

function divide({ layout, statistics, terms }: Grid): Division {
  const matrices: Factored[] = [];
  const plain: Plain[] = [];
  let [pLength, qLength, residualLength] = [0, 0, 0];
  for (const entry of layout.entries) {
    const { name, offset: begin, length } = entry;
    const shape = matrixShape(entry, terms);
    const place = { begin, end: begin + length, p: pLength };
    if (shape === undefined) {
      plain.push(place);
      pLength += aligned(length);
    } else {
      matrices.push({ ...place, shape, stream: hashName(name), q: qLength, residual: residualLength });
      pLength += aligned(shape.rows * terms);
      qLength += aligned(shape.columns * terms);
      residualLength += length;
    }
  }
  if (statistics !== undefined && statistics.length > 0) {
    plain.push({ begin: layout.length, end: layout.length + statistics.length, p: pLength });
    pLength += aligned(statistics.length);
  }
  return { matrices, plain, pLength, qLength, residualLength };
}

function matrixShape({ shape, length }: LayoutEntry, terms: number): MatrixShape | undefined {
  const columns = shape.at(-1) ?? 1;
  const rows = length / columns;
  return shape.length > 1 && terms * (rows + columns) < length ? { rows, columns, terms } : undefined;
}

/** The lanes of a run: the two all-reduces of a round, and the scalars of epochs. */
export function powerSgdLanes(
  grid: Grid,
  prices: RequestPrices | undefined,
): Readonly<Record<LaneName, LaneOptions>> {
  const { pLength, qLength } = divide(grid);
  const { packed = prices !== undefined } = grid;
  const reduce = patternAt(prices, grid.reduce);
  const lane = (length: number) => ({
    ...{ buckets: [{ begin: 0, end: length }], reduce, codec: f32, packed },
  });
  return {
    p: lane(pLength),
    q: lane(qLength),
    scalars: { ...lane(0), packed: false, apart: true },
  };
}

/** Throws as `openCollective` does. */
export async function openPowerSgd(options: PowerSgdOptions): Promise<Collective> {
  const { layout, statistics, bucketBytes } = options;
  const ranges = bucketRanges(layout, { bucketBytes, ...(statistics === undefined ? {} : { statistics }) });
  const lanes = powerSgdLanes(options, pricesOf(options.channel));
  const exchange = await openExchange({ ...options, lanes });
  const factors = new Factors(divide(options), options.seed);
  return {
    buckets: ranges,
    ownPieces: [],
    get stats() {
      const { stats } = exchange;
      return { ...stats, exchangeMs: stats.exchangeMs + factors.workMs };
    },
    get state() {
      const { q, residual } = factors;
      return { ...exchange.state, "powersgd/q": q, "powersgd/residual": residual };
    },
    restore(state) {
      exchange.restore(state);
      factors.restore(state);
    },
    inherit(rounds) {
      for (const { kind, step } of rounds) exchange.inherit(kind === "sums" ? ["p", "q"] : ["scalars"], step);
    },
    begin: (round) => new PowerSgdRound(factors, exchange, ranges, round),
    // A rank's residual comes from its own sums alone.
    replay: () => Promise.resolve(undefined),
    replayScalars: (options) => replayedScalars(exchange, "scalars", options),
    reduceScalars: (round, scalars) => scalarsAlone(exchange.begin("scalars", round), scalars),
    sweep: (currentStep, durableStep) => exchange.sweep(currentStep, durableStep),
    close: () => exchange.close(),
  };
}

/** What a rank keeps from round to round, and the memory of its rounds. */
class Factors {
  readonly division: Division;
  /** P of all matrices and what is sent as it is: this rank's, then the mean. */
  readonly p: Float32Array;
  /** Q of all matrices: that of the last round, then this rank's, then the mean. */
  readonly q: Float32Array;
  /** What the ranks' sums have not been sent of; during a round, the sums added to it. */
  readonly residual: Float32Array;
  /** Milliseconds of arithmetic. */
  workMs = 0;
  readonly #seed: number;

  constructor(division: Division, seed: number) {
    this.division = division;
    this.#seed = seed;
    this.p = new Float32Array(division.pLength);
    this.q = sharedFloats(division.qLength);
    this.residual = sharedFloats(division.residualLength);
    this.fillEmpty(0);
  }

  restore(state: CollectiveState): void {
    restoreState({ "powersgd/q": this.q, "powersgd/residual": this.residual }, state);
  }

  /**
   * Columns of Q that are zeros, as at the start or when a gradient had a lower rank, would stay zeros: they become
   * random, the same on every rank.
   */
  fillEmpty(step: number): void {
    for (const { shape, q, stream } of this.division.matrices) {
      for (let term = 0; term < shape.terms; term++) {
        const begin = q + term * shape.columns;
        const column = this.q.subarray(begin, begin + shape.columns);
        if (column.some((value) => value !== 0)) continue;
        const random = new RandomStream(this.#seed ^ stream, `powersgd/${term}`, step);
        column.forEach((_, i) => (column[i] = random.nextNormal()));
      }
    }
  }

  working<T>(work: () => T): T {
    const beganMs = performance.now();
    const result = work();
    this.workMs += performance.now() - beganMs;
    return result;
  }

  matrix({ residual, begin, end }: Factored): Float32Array {
    return this.residual.subarray(residual, residual + end - begin);
  }

  pOf({ p, shape }: Factored): Float32Array {
    return this.p.subarray(p, p + shape.rows * shape.terms);
  }

  qOf({ q, shape }: Factored): Float32Array {
    return this.q.subarray(q, q + shape.columns * shape.terms);
  }
}

class PowerSgdRound implements Round {
  readonly #factors: Factors;
  readonly #exchange: Exchange<LaneName>;
  readonly #buckets: readonly ElementRange[];
  readonly #options: RoundOptions;
  readonly #first: Round;
  readonly #pushed = new Set<number>();

  constructor(
    factors: Factors,
    exchange: Exchange<LaneName>,
    buckets: readonly ElementRange[],
    options: RoundOptions,
  ) {
    this.#factors = factors;
    this.#exchange = exchange;
    this.#buckets = buckets;
    this.#options = options;
    this.#first = exchange.begin("p", options);
  }

  push(bucket: number, sums: Float32Array): void {
    const range = this.#buckets[bucket];
    assert(range !== undefined, `push of bucket ${bucket} of ${this.#buckets.length}`);
    assert(!this.#pushed.has(bucket), `push of bucket ${bucket} twice in step ${this.#options.step}`);
    assert(
      sums.length === range.end - range.begin,
      `bucket ${bucket} has ${range.end - range.begin} values, not ${sums.length}`,
    );
    this.#pushed.add(bucket);
    this.#factors.working(() => this.#take(range, sums));
    if (this.#pushed.size === this.#buckets.length) this.#first.push(0, this.#factors.p);
  }

  #take(range: ElementRange, sums: Float32Array): void {
    const { division, p } = this.#factors;
    const inBucket = ({ begin, end }: ElementRange): boolean => begin >= range.begin && end <= range.end;
    const own = ({ begin, end }: ElementRange) => sums.subarray(begin - range.begin, end - range.begin);
    for (const plain of division.plain) if (inBucket(plain)) p.set(own(plain), plain.p);
    for (const matrix of division.matrices) {
      if (!inBucket(matrix)) continue;
      const values = this.#factors.matrix(matrix);
      add(own(matrix), values);
      timesRight(matrix.shape, values, this.#factors.qOf(matrix), this.#factors.pOf(matrix));
    }
  }

  async finish(scalars: Float64Array, mean: Float32Array): Promise<RoundResult> {
    const { division, p, q } = this.#factors;
    const { step, weight } = this.#options;
    const result = await this.#first.finish(scalars, p);
    const bases = this.#factors.working(() =>
      division.matrices.map((matrix) => {
        const basis = orthonormal(matrix.shape, this.#factors.pOf(matrix));
        timesLeft(matrix.shape, this.#factors.matrix(matrix), basis, this.#factors.qOf(matrix));
        return basis;
      }),
    );
    const second = this.#exchange.begin("q", this.#options);
    second.push(0, q);
    await second.finish(new Float64Array(0), q);
    this.#factors.working(() => {
      mean.fill(0);
      for (const { begin, end, p: at } of division.plain) mean.set(p.subarray(at, at + end - begin), begin);
      for (const [i, matrix] of division.matrices.entries()) {
        const product = mean.subarray(matrix.begin, matrix.end);
        const [qMean, values] = [this.#factors.qOf(matrix), this.#factors.matrix(matrix)];
        takeProduct(matrix.shape, bases[i]!, qMean, product, values, weight);
      }
      this.#factors.fillEmpty(step + 1);
    });
    return result;
  }
}

function add(values: Float32Array, sums: Float32Array): void {
  for (let i = 0; i < values.length; i++) sums[i]! += values[i]!;
}
