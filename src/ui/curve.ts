// A curve in the terminal: loss or accuracy over epochs or steps.

import { styleText } from "node:util";
import plot from "simple-ascii-chart";

export type CurvePoint = readonly [x: number, y: number];

export interface CurveOptions {
  readonly title: string;
  /** In ascending order of x. Points with a y that is not finite (a run that diverged) are left out. */
  readonly points: readonly CurvePoint[];
  /** Names the x axis: "epoch", "step". */
  readonly xLabel: string;
  readonly formatY: (y: number) => string;
  /** Columns of the whole picture, at least 30. */
  readonly width: number;
  /** Lines of the curve itself. Default 8. */
  readonly height?: number;
}

/** The picture without a newline at its end; one line of text where there are not two points to join. */
export function drawCurve({ title, points, xLabel, formatY, width, height = 8 }: CurveOptions): string {
  const finite = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const first = finite[0];
  const last = finite.at(-1);
  if (!first || !last) return `${title}: no points yet`;
  if (first[0] === last[0]) return `${title}: ${formatY(last[1])} at ${xLabel} ${last[0]}`;

  const ys = finite.map(([, y]) => y);
  const labelWidth = Math.max(...ys.map((y) => formatY(y).length));
  const columns = Math.max(10, width - labelWidth - 4);
  const line = resample(finite, columns);
  const lineYs = line.map(([, y]) => y);
  const [low, high] = [Math.min(...lineYs), Math.max(...lineYs)];
  const picture = plot(line, {
    width: columns,
    height,
    yRange: low === high ? [low - 1, high + 1] : [low, high],
    customXAxisTicks: [first[0], last[0]],
    customYAxisTicks: low === high ? [low] : [low, (low + high) / 2, high],
    formatter: (value, { axis }) => (axis === "y" ? formatY(value) : value),
  });
  const lines = picture.split("\n").map((text) => text.trimEnd());
  return [
    `${styleText("bold", title)} ${styleText("dim", `by ${xLabel}`)}`,
    ...lines
      .filter((text) => text !== "")
      .map((text) => text.replace(/[━┃┏┓┗┛]+/g, (run) => styleText("cyan", run))),
  ].join("\n");
}

/**
 * One point per column: the mean of the points that fall into it, so that thousands of noisy steps stay one readable
 * line, and between points the straight line that joins them.
 */
function resample(points: readonly CurvePoint[], columns: number): [number, number][] {
  const begin = points[0]![0];
  const pitch = (points.at(-1)![0] - begin) / (columns - 1);
  const result: [number, number][] = [];
  let next = 0;
  for (let column = 0; column < columns; column++) {
    const x = begin + column * pitch;
    let sum = 0;
    let count = 0;
    while (next < points.length && (points[next]![0] < x + pitch / 2 || column === columns - 1)) {
      sum += points[next++]![1];
      count++;
    }
    result.push([x, count > 0 ? sum / count : interpolate(points[next - 1]!, points[next]!, x)]);
  }
  return result;
}

function interpolate([x0, y0]: CurvePoint, [x1, y1]: CurvePoint, x: number): number {
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
