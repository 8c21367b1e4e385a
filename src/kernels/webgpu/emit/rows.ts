// Passes that reduce along the rows of a matrix: a team of invocations a row, several teams a workgroup.

import type { Binding, WebGpuPass, WebGpuTarget } from "../kernel.ts";
import { spreadWorkgroups } from "./flat.ts";
import { powerOfTwo, reduceDirective, reduceFunction, type Reduction } from "./reduce.ts";

/** Units that a lane handles before another joins its team. */
const UNITS_PER_LANE = 4;
const MOST_LANES = 256;
const LEAST_WORKGROUP = 64;
const MOST_WORKGROUP = 256;
const MOST_ROUNDS = 4;

/** How the rows are dealt out; a function of the shape alone. A row's units are elements, or vec4s. */
export interface RowTeams {
  readonly rows: number;
  /** Invocations to a row. */
  readonly lanes: number;
  /** Invocations of a workgroup. */
  readonly workgroup: number;
  /** Rows that a workgroup handles at a time ... */
  readonly teams: number;
  /** ... and how often it does so. */
  readonly rounds: number;
  readonly workgroups: number;
}

/** Small workgroups, for many of them fill a GPU sooner. */
export function rowTeams(rows: number, units: number): RowTeams {
  const lanes = lanesOf(units);
  const workgroup = Math.max(LEAST_WORKGROUP, lanes);
  const teams = workgroup / lanes;
  return { lanes, workgroup, teams, rows, rounds: 1, workgroups: Math.ceil(rows / teams) };
}

/**
 * For results of all rows together: one workgroup, so that no second pass has to join them, if it has done after few
 * rounds.
 */
export function joinedRowTeams(rows: number, units: number): RowTeams {
  const lanes = lanesOf(units);
  const workgroup = Math.min(MOST_WORKGROUP, Math.max(LEAST_WORKGROUP, powerOfTwo(rows * lanes)));
  const teams = workgroup / lanes;
  const rounds = Math.ceil(rows / teams);
  return rounds > MOST_ROUNDS
    ? rowTeams(rows, units)
    : { lanes, workgroup, teams, rows, rounds, workgroups: 1 };
}

function lanesOf(units: number): number {
  return Math.min(MOST_LANES, powerOfTwo(units / UNITS_PER_LANE));
}

export interface RowPass {
  readonly teams: RowTeams;
  readonly bindings: Readonly<Record<string, Binding>>;
  /** Functions over a row's team. */
  readonly reductions?: readonly Reduction[];
  /** Functions over the whole workgroup, for `after`. */
  readonly workgroupReductions?: readonly Reduction[];
  /** Functions and constants of the module. */
  readonly module?: string;
  /** Statements before the first row. They and all others see `thread`, `lane` of LANES, and `group`. */
  readonly before?: string;
  /**
   * Statements for `row`. Where `present` is false the team has no row left and is given the last one again, for all must
   * meet at barriers: it may then store nothing.
   */
  readonly row: string;
  /** Statements behind the last row; all invocations of workgroup `group`, below GROUPS, run them. */
  readonly after?: string;
}

export function rowPass(
  {
    teams,
    bindings,
    reductions = [],
    workgroupReductions = [],
    module = "",
    before = "",
    row,
    after = "",
  }: RowPass,
  target: WebGpuTarget,
): WebGpuPass {
  const { rows, lanes, workgroup, rounds, workgroups: groups } = teams;
  const workgroups = spreadWorkgroups(groups);
  const functions = [
    ...reductions.map((reduction) => reduceFunction(reduction, { lanes, workgroup }, target)),
    ...workgroupReductions.map((reduction) =>
      reduceFunction(reduction, { lanes: workgroup, workgroup }, target),
    ),
  ];
  return {
    wgsl: `${reduceDirective(target)}const LANES = ${lanes}u;
const TEAMS = ${teams.teams}u;
const GROUPS = ${groups}u;
${functions.join("")}${module}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = id.x + id.y * ${workgroups[0]}u;
  if (group >= GROUPS) { return; }
  let lane = thread % LANES;
  ${before}
  for (var round = 0u; round < ${rounds}u; round++) {
    let next = (group * ${rounds}u + round) * TEAMS + thread / LANES;
    let present = next < ${rows}u;
    let row = min(next, ${rows - 1}u);
    ${row}
  }
  ${after}
}`,
    bindings,
    workgroups,
  };
}
