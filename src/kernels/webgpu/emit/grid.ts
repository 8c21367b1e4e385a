// Workgroups that are numbered in one row: more than fit along x go on along y.

import { spreadWorkgroups } from "./flat.ts";

export interface Grid {
  readonly x: number;
  readonly y: number;
  /** Whether no workgroup is beyond `count`. */
  readonly exact: boolean;
  /** The workgroup's number; `id` names `@builtin(workgroup_id)`. */
  readonly index: (id: string) => string;
}

export function gridOf(count: number): Grid {
  const [x, y] = spreadWorkgroups(count);
  return { x, y, exact: x * y === count, index: (id) => (y === 1 ? `${id}.x` : `${id}.x + ${id}.y * ${x}u`) };
}
