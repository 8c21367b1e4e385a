// All that a worker needs to go on from an exchange: the algorithm's state and the collective's as one.

import type { Algorithm, AlgorithmState, NamedArrays } from "../algorithms/algorithm.ts";
import type { Collective } from "../allreduce/collective.ts";

/** Before the names of the collective's arrays. */
const COLLECTIVE = "collective.";

/** Views, valid until the next step. */
export async function durableState(algorithm: Algorithm, collective: Collective): Promise<AlgorithmState> {
  const { shared, own } = await algorithm.state();
  return { shared, own: { ...own, ...renamed(collective.state, (name) => COLLECTIVE + name) } };
}

/** Throws what the collective throws of a state that does not fit. */
export function restoreState(
  algorithm: Algorithm,
  collective: Collective,
  { shared, own }: AlgorithmState,
): void {
  const isCollectives = (name: string): boolean => name.startsWith(COLLECTIVE);
  algorithm.restore({ shared, own: renamed(own, (name) => (isCollectives(name) ? undefined : name)) });
  collective.restore(
    renamed(own, (name) => (isCollectives(name) ? name.slice(COLLECTIVE.length) : undefined)),
  );
}

/** Without those that get no name. */
function renamed(arrays: NamedArrays, nameOf: (name: string) => string | undefined): NamedArrays {
  return Object.fromEntries(
    Object.entries(arrays).flatMap(([name, values]) => {
      const other = nameOf(name);
      return other === undefined ? [] : [[other, values]];
    }),
  );
}
