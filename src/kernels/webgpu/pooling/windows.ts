// Which cells lie in a window, and which windows hold a cell, along one spatial axis, as WGSL text. Windows and cells of
// an image are found without signed numbers: padding is added to cells rather than subtracted from windows.

import type { WindowAxis } from "../../ops/window.ts";

export interface PooledAxis extends WindowAxis {
  /** Cells of the image. */
  readonly input: number;
  /** Cells of a window, and from one window to the next. */
  readonly size: number;
  readonly stride: number;
}

/** Constants `<cell>_first` and `<cell>_end`: the cells of window `window` that lie inside the image. There is one at least. */
export function cellsOfWindow(cell: string, window: string, axis: PooledAxis): string {
  const { input, size, stride, before, after } = axis;
  if (before === 0 && after === 0)
    return `let ${cell}_first = ${window} * ${stride}u; let ${cell}_end = ${cell}_first + ${size}u;`;
  return `let ${cell}_first = max(${window} * ${stride}u, ${before}u) - ${before}u;
  let ${cell}_end = min(${window} * ${stride}u + ${size - before}u, ${input}u);`;
}

/** Constants `<window>_first` and `<window>_end`: the windows that hold cell `cell` of the image. There may be none. */
export function windowsOfCell(window: string, cell: string, axis: PooledAxis): string {
  const { output, size, stride, before } = axis;
  return `let padded_${cell} = ${cell} + ${before}u;
  let ${window}_first = select(0u, (padded_${cell} - ${size}u) / ${stride}u + 1u, padded_${cell} >= ${size}u);
  let ${window}_end = min(padded_${cell} / ${stride}u + 1u, ${output}u);`;
}
