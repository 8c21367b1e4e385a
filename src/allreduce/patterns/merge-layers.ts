// In how many layers, and by how many functions, n gradients are merged best: the arithmetic of Feng et al., "Exploring
// serverless computing for neural network training", IEEE CLOUD 2018, section III-C, in its rounded closed form and as
// the exact integer optimum. Latencies are in t_m, the time in which one function merges one gradient.

/** Sum over layers of ceil(m_{i+1} / m_i): the busiest function of each layer decides. */
export function mergeLatencyTm(layers: readonly number[]): number {
  let latencyTm = 0;
  for (let i = 1; i < layers.length; i++) latencyTm += Math.ceil(layers[i]! / layers[i - 1]!);
  return latencyTm;
}

/**
 * The closed form: equal fan-ins f = m_k with m_k^(k+1) = n, hence m_i = m_k^(k-i+1), rounded to the nearest, where k
 * minimises the latency (k+1) n^(1/(k+1)). The fewest layers win a tie.
 */
export function closedFormLayers(workers: number, maxLayers: number): number[] {
  let mergerLayers = 0;
  let fanIn = workers;
  // Fan-ins below 2 merge nothing, so more than log2(n) layers never help.
  const deepest = Math.min(maxLayers, Math.floor(Math.log2(workers)));
  for (let k = 1; k <= deepest; k++) {
    const candidate = workers ** (1 / (k + 1));
    // At n = 4, one layer and none tie: rounding of the root must not decide.
    if ((k + 1) * candidate < (mergerLayers + 1) * fanIn - 1e-9) {
      mergerLayers = k;
      fanIn = candidate;
    }
  }
  const layers = [1];
  for (let i = 1; i <= mergerLayers; i++) layers.push(Math.round(fanIn ** i));
  layers.push(workers);
  return layers;
}

interface Choice {
  readonly latencyTm: number;
  /** Functions between the root and this layer. */
  readonly mergers: number;
  /** Functions in the layer that merges this one; undefined: the root merges it. */
  readonly mergedBy?: number;
}

/**
 * The layers with the least latency among all trees of at most `maxLayers` layers of mergers; of these, the ones with
 * the fewest mergers.
 *
 * Dynamic programming over (size of a layer, layers still allowed). For a fan-in s, the smallest layer that achieves
 * it, ceil(size / s), is best: a wider one costs more mergers and has no cheaper tree above itself. As
 * ceil(ceil(n/a)/b) = ceil(n/(ab)), only the O(sqrt n) sizes ceil(n/x) occur, and O(n^(3/4)) choices per layer.
 */
export function exactLayers(workers: number, maxLayers: number): number[] {
  const deepest = Math.min(maxLayers, Math.ceil(Math.log2(workers)));
  const memo = Array.from({ length: deepest + 1 }, () => new Map<number, Choice>());

  const best = (size: number, allowed: number): Choice => {
    const known = memo[allowed]!.get(size);
    if (known) return known;
    let choice: Choice = { latencyTm: size, mergers: 0 };
    if (allowed > 0) {
      for (let fanIn = 2; fanIn < size;) {
        const mergedBy = Math.ceil(size / fanIn);
        const rest = best(mergedBy, allowed - 1);
        const latencyTm = fanIn + rest.latencyTm;
        const mergers = mergedBy + rest.mergers;
        const ahead = latencyTm - choice.latencyTm || mergers - choice.mergers;
        if (ahead < 0) choice = { latencyTm, mergers, mergedBy };
        // The next fan-in with a smaller layer: those between only cost more.
        fanIn = Math.ceil(size / (mergedBy - 1));
      }
    }
    memo[allowed]!.set(size, choice);
    return choice;
  };

  const layers: number[] = [];
  let allowed = deepest;
  for (let size: number | undefined = workers; size !== undefined; size = best(size, allowed--).mergedBy) {
    layers.push(size);
  }
  return [1, ...layers.reverse()];
}
