// The reports' style sheet: light or dark as the reader's system is. Hues are Okabe and Ito's, which colour-blind
// readers tell apart.

export const STYLE = `
:root {
  --paper: #fff; --ink: #1b1f24; --faint: #667079; --rule: #dfe3e7; --track: #eef1f4;
  --compute: #0072b2; --memory: #d55e00; --effective: #009e73; --peer: #1b1f24; --wrong: #b3261e;
  --hue-0: #0072b2; --hue-1: #d55e00; --hue-2: #009e73; --hue-3: #cc79a7; --hue-4: #e69f00; --hue-5: #56b4e9;
  --hue-6: #7a6a00; --hue-7: #808890;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e6e9ec; --faint: #99a3ac; --rule: #30363c; --track: #23282d;
    --compute: #4aa8e0; --memory: #f08a3c; --effective: #34c79b; --peer: #fff; --wrong: #ff8a80;
    --hue-0: #4aa8e0; --hue-1: #f08a3c; --hue-2: #34c79b; --hue-3: #e29cc3; --hue-4: #f0b840; --hue-5: #8fd0f5;
    --hue-6: #d6c64a; --hue-7: #a5adb5;
  }
}
body {
  max-width: 1180px; margin: 2rem auto; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
.facts { margin: 0; padding: 0; list-style: none; color: var(--faint); }
.note { color: var(--faint); margin: .3rem 0 .6rem; max-width: 75ch; }
.legend span { margin-right: 1.4em; white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
.legend i.tick { width: 3px; background: var(--peer); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; color: var(--faint); border-bottom: 1px solid var(--rule); }
th, td { padding: 3px 10px 3px 0; white-space: nowrap; vertical-align: middle; }
tbody tr:hover { background: var(--track); }
.right { text-align: right; }
.bar { width: 100%; min-width: 240px; }
.mono { font-family: ui-monospace, monospace; font-size: 12px; }
.wrong { color: var(--wrong); font-weight: 600; }
.bar-cell { display: flex; align-items: center; gap: .6em; }
.bar-cell span { min-width: 4em; text-align: right; }
.track { position: relative; flex: 1; height: 12px; background: var(--track); border-radius: 2px; }
.track i { position: absolute; top: 0; bottom: 0; }
.fill { left: 0; border-radius: 2px; }
.line { width: 0; border-left: 1px solid var(--ink); top: -3px !important; bottom: -3px !important; }
.peer { width: 3px; margin-left: -1px; background: var(--peer); outline: 1px solid var(--paper); }
.compute { background: var(--compute); } .memory { background: var(--memory); }
.effective { background: var(--effective); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .axis { fill: var(--faint); }
svg .grid { stroke: var(--rule); } svg .roof { stroke: var(--ink); stroke-width: 1.5; fill: none; }
svg circle { fill-opacity: .75; }
${Array.from({ length: 8 }, (_, hue) => `.hue-${hue} { fill: var(--hue-${hue}); background: var(--hue-${hue}); }`).join("\n")}
`;
