// Curves of validation losses as an SVG by itself: one panel for each algorithm, for each number of workers the mean over
// the seeds, and faintly each seed. In the form of Feng et al. 2018, figures 7 and 8.

export interface Curve {
  readonly algorithm: string;
  readonly workers: number;
  /** By epoch, from the first. */
  readonly validationLosses: readonly number[];
}

const PANEL = { width: 220, height: 170 };
const MARGIN = { left: 46, right: 10, top: 26, bottom: 34 };
const COLOURS = ["#888888", "#0b62c4", "#c4620b"];

export function convergencePlot(curves: readonly Curve[]): string {
  const algorithms = [...new Set(curves.map(({ algorithm }) => algorithm))];
  const workers = [...new Set(curves.map((curve) => curve.workers))].sort((a, b) => a - b);
  const width = algorithms.length * PANEL.width;
  const panels = algorithms.map((algorithm, i) => {
    const own = curves.filter((curve) => curve.algorithm === algorithm);
    return `<g transform="translate(${i * PANEL.width} 0)">${panel(algorithm, own, workers)}</g>`;
  });
  const legend = workers.map((count, i) => {
    const x = MARGIN.left + 110 * i;
    return (
      `<line x1="${x}" x2="${x + 20}" y1="-8" y2="-8" stroke="${COLOURS[i]!}" stroke-width="2"/>` +
      `<text x="${x + 26}" y="-4">${count} worker${count === 1 ? "" : "s"}</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -20 ${width} ${PANEL.height + 20}" ` +
    `font-family="sans-serif" font-size="11"><rect y="-20" width="100%" height="100%" fill="white"/>` +
    `${legend.join("")}${panels.join("")}</svg>\n`
  );
}

function panel(title: string, curves: readonly Curve[], workers: readonly number[]): string {
  const values = curves.flatMap(({ validationLosses }) => validationLosses);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const epochs = Math.max(...curves.map(({ validationLosses }) => validationLosses.length));
  const [right, bottom] = [PANEL.width - MARGIN.right, PANEL.height - MARGIN.bottom];
  const x = (epoch: number) => MARGIN.left + ((right - MARGIN.left) * (epoch - 1)) / Math.max(1, epochs - 1);
  const y = (loss: number) => bottom - ((bottom - MARGIN.top) * (loss - low)) / (high - low || 1);
  const line = (losses: readonly number[], style: string) => {
    const points = losses.map((loss, i) => `${x(i + 1).toFixed(1)},${y(loss).toFixed(1)}`);
    return `<polyline fill="none" points="${points.join(" ")}" ${style}/>`;
  };
  const lines = workers.flatMap((count, i) => {
    const own = curves.filter((curve) => curve.workers === count).map((curve) => curve.validationLosses);
    const stroke = `stroke="${COLOURS[i]!}"`;
    return [
      ...own.map((losses) => line(losses, `${stroke} stroke-width="0.6" opacity="0.35"`)),
      line(meanOf(own), `${stroke} stroke-width="2"${i === 0 ? "" : ' stroke-dasharray="5 3"'}`),
    ];
  });
  return [
    `<text x="${MARGIN.left}" y="${MARGIN.top - 10}" font-weight="bold">${title}</text>`,
    `<path d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}" fill="none" stroke="#444"/>`,
    `<text x="${MARGIN.left - 4}" y="${MARGIN.top + 4}" text-anchor="end">${high.toPrecision(3)}</text>`,
    `<text x="${MARGIN.left - 4}" y="${bottom}" text-anchor="end">${low.toPrecision(3)}</text>`,
    `<text x="${MARGIN.left}" y="${bottom + 14}">1</text>`,
    `<text x="${right}" y="${bottom + 14}" text-anchor="end">${epochs}</text>`,
    `<text x="${(MARGIN.left + right) / 2}" y="${bottom + 26}" text-anchor="middle">epoch</text>`,
    ...lines,
  ].join("");
}

/** By epoch; a run that has converged stays where it is. */
function meanOf(all: readonly (readonly number[])[]): number[] {
  const epochs = Math.max(0, ...all.map((losses) => losses.length));
  return Array.from({ length: epochs }, (_, i) => {
    const there = all.map((losses) => losses[i] ?? losses.at(-1)!);
    return there.reduce((sum, loss) => sum + loss, 0) / there.length;
  });
}
