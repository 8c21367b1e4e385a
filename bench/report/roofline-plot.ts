// All rows of a kernel bench under the machine's roofs: flops per byte against GFLOP/s, both logarithmic, as inline SVG.

import type { BenchRow } from "../kernels/bench-kernels.ts";
import { peakGflops, type Peak } from "../kernels/roofline.ts";
import { formatBytes } from "../../src/units.ts";
import { families, familyOf } from "./families.ts";
import { html, type Html } from "./html.ts";

const WIDTH = 1140;
const HEIGHT = 460;
const MARGIN = { left: 56, right: 190, top: 14, bottom: 44 };

interface Scale {
  readonly at: (value: number) => number;
  /** Powers of ten within the scale. */
  readonly ticks: readonly number[];
}

function logScale(values: readonly number[], from: number, to: number): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.ceil(Math.log10(Math.max(...values)));
  return {
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  };
}

/** Rows without flops are left out: they have no place here. */
export function rooflinePlot(allRows: readonly BenchRow[], peak: Peak): Html {
  const rows = allRows.filter(({ gflops }) => gflops > 0);
  const intensity = ({ gflops, gbPerS }: BenchRow): number => gflops / gbPerS;
  const top = peakGflops(peak);
  const x = logScale(rows.map(intensity), MARGIN.left, WIDTH - MARGIN.right);
  const y = logScale([...rows.map(({ gflops }) => gflops), 2 * top], HEIGHT - MARGIN.bottom, MARGIN.top);
  const [left, right] = [x.ticks[0]!, x.ticks.at(-1)!];
  const bottom = y.ticks[0]!;
  const number = (value: number): string => value.toFixed(1);

  const grid = [
    ...x.ticks.map((tick) => {
      const at = number(x.at(tick));
      return html`<line
          class="grid"
          x1="${at}"
          x2="${at}"
          y1="${MARGIN.top}"
          y2="${HEIGHT - MARGIN.bottom}"
        />
        <text class="axis" x="${at}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${tick}</text>`;
    }),
    ...y.ticks.map((tick) => {
      const at = number(y.at(tick));
      return html`<line class="grid" y1="${at}" y2="${at}" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" />
        <text class="axis" x="${MARGIN.left - 6}" y="${at}" text-anchor="end" dominant-baseline="middle"
          >${tick}</text
        >`;
    }),
  ];
  const roofs = peak.bandwidths.map(({ gbPerS }) => {
    const from = Math.max(left, bottom / gbPerS);
    const ridge = top / gbPerS;
    const points = [
      [from, from * gbPerS],
      [ridge, top],
      [right, top],
    ] as const;
    const path = points.map((point) =>
      point.map((value, axis) => number((axis === 0 ? x : y).at(value))).join(","),
    );
    return html`<polyline class="roof" points="${path.join(" ")}" />`;
  });
  const edge = WIDTH - MARGIN.right + 8;
  const narrowGflops = "fmaGflops" in peak ? top : peak.fma128Gflops;
  const narrow = number(y.at(narrowGflops));
  const legend = [
    html`<text x="${edge}" y="${number(y.at(top))}" dominant-baseline="middle"
      >${top.toFixed(0)} GFLOP/s, best FMA</text
    >`,
  ];
  if (narrowGflops < 0.8 * top)
    legend.push(
      html`<line
          class="roof"
          x1="${number(x.at(left))}"
          x2="${WIDTH - MARGIN.right}"
          y1="${narrow}"
          y2="${narrow}"
          stroke-dasharray="4 4"
        />
        <text x="${edge}" y="${narrow}" dominant-baseline="middle"
          >${narrowGflops.toFixed(0)} GFLOP/s, 128-bit</text
        >`,
    );
  const slopes = peak.bandwidths.map(
    ({ workingSetBytes, gbPerS }, i) =>
      html`<text
        class="axis"
        x="${edge}"
        y="${HEIGHT - MARGIN.bottom - 18 * (peak.bandwidths.length - i) + 8}"
        >${gbPerS.toFixed(0)} GB/s up to ${formatBytes(workingSetBytes)}</text
      >`,
  );
  const points = rows.map(
    (row) =>
      html`<circle
        class="hue-${familyOf(row.op)}"
        cx="${number(x.at(intensity(row)))}"
        cy="${number(y.at(row.gflops))}"
        r="4"
      >
        <title>${row.op} ${row.shape}: ${row.gflops.toFixed(1)} GFLOP/s, ${row.gbPerS.toFixed(1)} GB/s</title>
      </circle>`,
  );
  const present = [...new Set(rows.map(({ op }) => familyOf(op)))].sort((a, b) => a - b);
  return html`<p class="legend">
      ${present.map((family) => html`<span><i class="hue-${family}"></i>${families[family]!.name}</span>`)}
    </p>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Roofline plot of all rows">
      ${grid} ${roofs} ${legend} ${slopes} ${points}
      <text class="axis" x="${MARGIN.left}" y="${HEIGHT - 8}">
        operations per byte of operands and results
      </text>
      <text class="axis" transform="translate(14 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">
        GFLOP/s
      </text>
    </svg>`;
}
