// L-BFGS (Nocedal and Wright 2006, algorithm 7.5) with a line search for the weak Wolfe conditions by bisection (Lewis and
// Overton 2013, algorithm 2.6), which also makes its way along the edges of a hinge. In f64 and in one order: equal values
// and gradients give equal bits.

export interface Evaluation {
  readonly value: number;
  readonly gradient: Float64Array;
}

/** Value and gradient at a point, which it may round: the point that they are of is left in `x`. */
export type Objective = (x: Float64Array) => Promise<Evaluation>;

export interface LbfgsOptions {
  /** Done where the gradient's norm is that share of what it was at the start. */
  readonly gradientShare: number;
  /** Of the objective, at most. */
  readonly evaluations: number;
}

export interface Minimum extends Evaluation {
  readonly x: Float64Array;
  /** At the start. */
  readonly first: Evaluation;
}

/** Steps whose curvature is remembered. */
const HISTORY = 10;
/** Wolfe's constants: what share of the predicted decrease is enough, and of the slope. */
const DECREASE = 1e-4;
const CURVATURE = 0.9;
/** Of the value: what an objective in f32 errs by. A step that makes it larger by no more is none that failed. */
const NOISE = 3e-7;
/** Of a line search, after which its direction is given up. */
const TRIES = 20;

interface Curvature {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly rho: number;
}

/** The least point found from `start`. */
export async function lbfgs(
  objective: Objective,
  start: Float64Array,
  options: LbfgsOptions,
): Promise<Minimum> {
  let x: Float64Array = start.slice();
  const first = await objective(x);
  let here = first;
  let left = options.evaluations - 1;
  const enough = options.gradientShare * norm(first.gradient);
  const history: Curvature[] = [];
  while (left > 0 && norm(here.gradient) > enough) {
    const direction = descent(here.gradient, history);
    const slope = dot(direction, here.gradient);
    if (!(slope < 0)) break;
    // The first step has no curvature to go by.
    const trial = history.length === 0 ? Math.min(1, 1 / norm(here.gradient)) : 1;
    const found = await search(objective, { x, here, direction, slope, trial, tries: Math.min(TRIES, left) });
    left -= found.tries;
    if (found.there === undefined) break;
    const step = found.to.map((value, i) => value - x[i]!);
    const change = found.there.gradient.map((value, i) => value - here.gradient[i]!);
    const along = dot(step, change);
    if (along > 1e-12 * dot(change, change)) history.push({ step, change, rho: 1 / along });
    if (history.length > HISTORY) history.shift();
    [x, here] = [found.to, found.there];
  }
  return { ...here, x, first };
}

interface Line {
  readonly x: Float64Array;
  readonly here: Evaluation;
  readonly direction: Float64Array;
  /** Of the value along the direction, below zero. */
  readonly slope: number;
  readonly trial: number;
  readonly tries: number;
}

interface Found {
  readonly to: Float64Array;
  /** The lowest of all tries; undefined where none is lower than the start. */
  readonly there: Evaluation | undefined;
  readonly tries: number;
}

async function search(objective: Objective, line: Line): Promise<Found> {
  const { x, here, direction, slope } = line;
  const noise = NOISE * Math.abs(here.value);
  let [shortest, longest, length] = [0, Infinity, line.trial];
  let best: { to: Float64Array; there: Evaluation | undefined } = { to: x, there: undefined };
  let tries = 0;
  while (tries < line.tries) {
    const to = x.map((value, i) => value + length * direction[i]!);
    const there = await objective(to);
    tries++;
    if (there.value > here.value + DECREASE * length * slope + noise) longest = length;
    else {
      best = { to, there };
      if (dot(there.gradient, direction) >= CURVATURE * slope) break;
      shortest = length;
    }
    length = longest < Infinity ? (shortest + longest) / 2 : 2 * length;
  }
  return { ...best, tries };
}

/** The two-loop recursion: minus the inverse Hessian's estimate times the gradient. */
function descent(gradient: Float64Array, history: readonly Curvature[]): Float64Array {
  const direction = gradient.map((value) => -value);
  const shares = history.map(() => 0);
  for (let i = history.length - 1; i >= 0; i--) {
    const { step, change, rho } = history[i]!;
    shares[i] = rho * dot(step, direction);
    addScaled(direction, -shares[i]!, change);
  }
  const newest = history.at(-1);
  if (newest !== undefined) {
    const scale = 1 / (newest.rho * dot(newest.change, newest.change));
    for (let j = 0; j < direction.length; j++) direction[j]! *= scale;
  }
  history.forEach(({ step, change, rho }, i) => {
    addScaled(direction, shares[i]! - rho * dot(change, direction), step);
  });
  return direction;
}

function addScaled(to: Float64Array, factor: number, values: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i]! += factor * values[i]!;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function norm(values: Float64Array): number {
  return Math.sqrt(dot(values, values));
}
