// A tree of merging functions, one line per layer: the root at the top, the workers below, and between two layers
// the groups in which one merges the other. Layers that are too wide end in "…".

import { styleText } from "node:util";

/** Narrower, a drawing shows nothing: the terminal may break the line instead. */
const MIN_DRAWING_WIDTH = 8;

/**
 * Draws `layers` (functions per layer, the root's 1 first, the workers last) within `width` columns.
 * The functions of a layer are spread evenly over those of the layer above: fan-ins differ by one at most.
 */
export function drawMergeTree(layers: readonly number[], width: number): string {
  const names = layers.map((_, i) => (i === 0 ? "root" : i === layers.length - 1 ? "workers" : "mergers"));
  const fanIns = layers.slice(1).map((count, i) => fanInText(count, layers[i]!));
  const countWidth = Math.max(...layers.map((count) => String(count).length));
  const nameWidth = Math.max(...[...names, ...fanIns].map((name) => name.length));
  const drawingWidth = Math.max(MIN_DRAWING_WIDTH, width - countWidth - nameWidth - 4);

  const lines: string[] = [];
  layers.forEach((count, i) => {
    const pitch = pitchOf(count, drawingWidth);
    if (i > 0) {
      const groups = connectors(count, layers[i - 1]!, pitch);
      const label = `${" ".repeat(countWidth)}  ${fanIns[i - 1]!.padEnd(nameWidth)}`;
      lines.push(styleText("dim", `${label}  ${cut(groups, drawingWidth)}`));
    }
    const isWorkers = i === layers.length - 1;
    const dots = Array.from({ length: Math.min(count, drawingWidth + 1) }, () => (isWorkers ? "○" : "●"));
    const drawing = cut(dots.join(" ".repeat(pitch - 1)), drawingWidth);
    const label = `${String(count).padStart(countWidth)}  ${names[i]!.padEnd(nameWidth)}`;
    lines.push(`${label}  ${styleText(isWorkers ? "green" : "cyan", drawing)}`);
  });
  return lines.join("\n");
}

/** "merges 5", or "merges 4 to 5" where the functions do not divide evenly. */
function fanInText(count: number, mergers: number): string {
  const least = Math.floor(count / mergers);
  const most = Math.ceil(count / mergers);
  return `${mergers === 1 ? "merges" : "merge"} ${least === most ? most : `${least} to ${most}`}`;
}

/** Columns from one function to the next: as airy as the width allows. */
function pitchOf(count: number, width: number): number {
  return Math.max(1, Math.min(3, Math.floor((width - 1) / Math.max(1, count - 1))));
}

/** One bracket for each group of functions: "├──┬──┐ " over three functions, "│" over one. */
function connectors(count: number, mergers: number, pitch: number): string {
  const wire = "─".repeat(pitch - 1);
  let text = "";
  for (let group = 0; group < mergers; group++) {
    const size = Math.floor(((group + 1) * count) / mergers) - Math.floor((group * count) / mergers);
    const joints = size === 1 ? ["│"] : ["├", ...Array.from({ length: size - 2 }, () => "┬"), "┐"];
    text += joints.join(wire) + " ".repeat(pitch - 1);
  }
  return text.trimEnd();
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, width - 1) + "…";
}
