// The parts of a report: one HTML page that needs nothing else, neither scripts nor files beside it. What comes from
// data is escaped here and nowhere else.

import { STYLE } from "./style.ts";

/** Markup, as opposed to text. */
export interface Html {
  readonly html: string;
}

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A template whose values are escaped unless they are markup themselves; lists are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const markup = (value: HtmlValue): string => {
    if (Array.isArray(value)) return value.map(markup).join("");
    if (typeof value === "object") return (value as Html).html;
    return escapeText(String(value));
  };
  return { html: String.raw({ raw: strings }, ...values.map(markup)) };
}

export type HtmlValue = string | number | Html | readonly HtmlValue[];

export interface TableColumn<Row> {
  readonly header: string;
  readonly align?: "right" | "bar";
  readonly cell: (row: Row) => HtmlValue;
}

export function htmlTable<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[]): Html {
  const heads = columns.map(({ header, align = "" }) => html`<th class="${align}">${header}</th>`);
  const bodies = rows.map(
    (row) =>
      html`<tr>
        ${columns.map(({ align = "", cell }) => html`<td class="${align}">${cell(row)}</td>`)}
      </tr> `,
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${heads}
        </tr>
      </thead>
      <tbody>
        ${bodies}
      </tbody>
    </table>
  </div>`;
}

export interface Bar {
  /** 1 is where the line stands. */
  readonly share: number;
  /** The share at the right end of the track. */
  readonly end: number;
  /** A class of style.ts that colours it. */
  readonly kind: string;
  /** What a peer reached, as a tick. */
  readonly peerShare?: number | undefined;
  readonly label: string;
}

/** A bar on a track with a line at 1, and its label behind it. */
export function bar({ share, end, kind, peerShare, label }: Bar): Html {
  const percent = (value: number): string => `${((100 * Math.min(value, end)) / end).toFixed(2)}%`;
  const peer = peerShare === undefined ? "" : html`<i class="peer" style="left:${percent(peerShare)}"></i>`;
  return html`<div class="bar-cell">
    <div class="track">
      <i class="fill ${kind}" style="width:${percent(share)}"></i>${peer}<i
        class="line"
        style="left:${percent(1)}"
      ></i>
    </div>
    <span>${label}</span>
  </div>`;
}

/** Ends tracks at a round share that holds all bars, but not beyond `most`. */
export function trackEnd(shares: readonly number[], most: number): number {
  return Math.min(most, Math.max(1.1, Math.ceil(Math.max(...shares) * 4) / 4));
}

export function page(title: string, facts: readonly string[], sections: readonly HtmlValue[]): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${{ html: STYLE }}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        <ul class="facts">
          ${facts.map((fact) => html`<li>${fact}</li>`)}
        </ul>
        ${sections}
      </body>
    </html> `.html;
}
