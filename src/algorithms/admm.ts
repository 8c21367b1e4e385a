// Consensus ADMM (Boyd et al. 2011, sections 3.1.1, 3.3, 3.4.1 and 7.1.1; LambdaML 2021, section 3.2.1), scaled form: of
// the mean loss over all rows plus a penalty g, each rank minimises what its own rows say plus rho/2 ||x - z + u||^2, all
// take the z that the mean of x + u and g ask for, and u adds up how far each is from it. Ranks weigh by their rows, so
// that rho does not depend on their number:
//
//   x_i = argmin f_i(x) + rho/2 ||x - z + u_i||^2     f_i: the mean loss over rank i's rows
//   h_i = a x_i + (1 - a) z                           a: over-relaxation
//   z   = argmin g(z) + rho/2 ||z - v||^2             v: the mean of h_i + u_i
//   u_i = u_i + h_i - z
//
// A step is one such round, over all rows, which stay on the device where it has room for them. x begins at z, so only u is a rank's own. Any u is
// a right one to begin with: a crew of another size goes on with those that its ranks find.

import {
  type Algorithm,
  type AlgorithmOptions,
  outcomeOf,
  type Residuals,
  scalarsOf,
  vectorsOf,
} from "./algorithm.ts";
import { type Penalty, proximal } from "./proximal.ts";
import { lbfgs, type Minimum } from "./lbfgs.ts";
import { meanOfSums } from "./mean-of-sums.ts";
import type { OwnRows } from "./own-rows.ts";
import { RowPass } from "./row-pass.ts";

export interface AdmmOptions extends AlgorithmOptions {
  /** At the start; residual balancing changes it. */
  readonly rho: number;
  /** Done where both residuals are smaller than that share of what they are of. */
  readonly tolerance: number;
  readonly penalty: Penalty;
}

/** Of a rank's own problem: exact enough for the next round, which begins closer. */
const LOCAL_SOLVER = { gradientShare: 1e-2, evaluations: 40 } as const;
/** Over-relaxation (section 3.4.3): how far beyond x the others are told that it is. */
const RELAXATION = 1.6;
/**
 * Residual balancing, of residuals relative to what they are of (Wohlberg 2017): where one is so many times the other, rho
 * changes by the factor ...
 */
const IMBALANCE = 2;
const FACTOR = 2;
/** ... but only in the first steps: ADMM's convergence is proven for a rho that stays. */
const BALANCED_STEPS = 50;
/** Residuals of zeros are of nothing: this share of the tolerance holds for each parameter by itself. */
const ABSOLUTE_SHARE = 0.01;

export async function admm(options: AdmmOptions): Promise<Algorithm> {
  const { replica, tolerance, penalty } = options;
  const pass = new RowPass(replica);
  const { length } = replica.parameters;
  /** The consensus. */
  const z = (await replica.read("parameters")).slice();
  const u = new Float32Array(length);
  /** Of all ranks' u, which all can tell. */
  const meanU = new Float32Array(length);
  const rho = Float32Array.of(options.rho);

  const solve = (rows: OwnRows, step: number): Promise<LocalSolution> =>
    solveLocally({ replica, pass, rows, step, z, u, rho: rho[0]! });

  return {
    async step({ step, rows, stopVote }) {
      const weight = rows?.count ?? 0;
      const { x, loss, correct } = rows ? await solve(rows, step) : { x: z, loss: 0, correct: 0 };
      const sums = new Float32Array(length + replica.statistics.length);
      const relaxed = x.map((value, i) => RELAXATION * (value - z[i]!));
      for (let i = 0; i < length; i++) sums[i] = weight * (relaxed[i]! + u[i]!);
      const squares = [squaredNorm(x, z), squaredSum(relaxed, u), squaredNorm(x)];
      const scalars = scalarsOf({ loss, correct }, stopVote, ...squares.map((square) => weight * square));
      const result = await meanOfSums(options, { step, weight, sums, scalars });
      const meanWay = sums.subarray(0, length);

      const before = z.slice();
      for (let i = 0; i < length; i++) z[i]! += meanWay[i]!;
      proximal(z, penalty, rho[0]!);
      const [toX, toXU, ofX] = Array.from(result.scalars.subarray(3), (sum) => sum / result.weight) as [
        number,
        number,
        number,
      ];
      const moved = z.map((value, i) => value - before[i]!);
      const meanX = meanWay.map((way, i) => (way - meanU[i]!) / RELAXATION);
      const primal = rootOfMoved(toX, meanX, moved);
      const dual = rho[0]! * Math.sqrt(squaredNorm(moved));
      const ofU = rootOfMoved(toXU, meanWay, moved);
      for (let i = 0; i < length; i++) {
        u[i] = u[i]! + relaxed[i]! - moved[i]!;
        meanU[i] = meanWay[i]! - moved[i]!;
      }
      const floor = ABSOLUTE_SHARE * Math.sqrt(length);
      const converged =
        primal <= tolerance * (floor + Math.max(Math.sqrt(ofX), Math.sqrt(squaredNorm(z)))) &&
        dual <= tolerance * (floor + rho[0]! * ofU);
      if (step < BALANCED_STEPS) {
        const relative = {
          primal: primal / Math.max(Math.sqrt(ofX), Math.sqrt(squaredNorm(z))),
          dual: dual / (rho[0]! * ofU),
        };
        balance(relative, { rho, u, meanU });
      }
      replica.write("parameters", z);
      return { ...outcomeOf(result), residuals: { primal, dual }, converged };
    },
    state: async () => ({
      shared: { ...(await vectorsOf(replica, ["parameters"])), "admm.mean-u": meanU, "admm.rho": rho },
      own: { "admm.u": u },
    }),
    restore({ shared, own }) {
      z.set(shared.parameters!);
      meanU.set(shared["admm.mean-u"]!);
      rho.set(shared["admm.rho"]!);
      u.set(own["admm.u"]!);
      replica.write("parameters", z);
    },
  };
}

interface LocalProblem extends Pick<AdmmOptions, "replica"> {
  readonly pass: RowPass;
  readonly rows: OwnRows;
  readonly step: number;
  readonly z: Float32Array;
  readonly u: Float32Array;
  readonly rho: number;
}

interface LocalSolution {
  readonly x: Float32Array;
  /** Sums over the rank's rows, at the consensus. */
  readonly loss: number;
  readonly correct: number;
}

async function solveLocally({ replica, pass, rows, step, z, u, rho }: LocalProblem): Promise<LocalSolution> {
  let atConsensus: { loss: number; correct: number } | undefined;
  const { x }: Minimum = await lbfgs(
    async (x) => {
      const parameters = Float32Array.from(x);
      replica.write("parameters", parameters);
      const { loss, correct, gradients } = await pass.run(rows, step);
      atConsensus ??= { loss, correct };
      let squares = 0;
      const gradient = new Float64Array(x.length);
      for (let i = 0; i < x.length; i++) {
        const apart = parameters[i]! - z[i]! + u[i]!;
        squares += apart ** 2;
        gradient[i] = gradients[i]! / rows.count + rho * apart;
      }
      return { value: loss / rows.count + (rho / 2) * squares, gradient };
    },
    Float64Array.from(z),
    LOCAL_SOLVER,
  );
  return { x: Float32Array.from(x), ...atConsensus! };
}

/** Takes rho closer to where both residuals shrink alike; u is scaled by it. */
function balance(
  { primal, dual }: Residuals,
  { rho, u, meanU }: Readonly<Record<"rho" | "u" | "meanU", Float32Array>>,
): void {
  const factor = primal > IMBALANCE * dual ? FACTOR : dual > IMBALANCE * primal ? 1 / FACTOR : 1;
  if (factor === 1) return;
  rho[0]! *= factor;
  for (const scaled of [u, meanU]) for (let i = 0; i < scaled.length; i++) scaled[i]! /= factor;
}

/** ||a + b||^2 */
function squaredSum(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! + b[i]!) ** 2;
  return sum;
}

/** ||x - z||^2 */
function squaredNorm(x: Float32Array, z?: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - (z?.[i] ?? 0)) ** 2;
  return sum;
}

/**
 * The root of the mean of ||w - moved||^2 over the ranks, from the mean of ||w||^2 and the mean of w: nobody knows all w.
 * Rounding may leave a little less than nothing.
 */
function rootOfMoved(meanSquare: number, mean: Float32Array, moved: Float32Array): number {
  let square = meanSquare;
  for (let i = 0; i < moved.length; i++) square += moved[i]! * (moved[i]! - 2 * mean[i]!);
  return Math.sqrt(Math.max(0, square));
}
