// The page's look: one style sheet, with light and dark colours as variables, nothing loaded from anywhere. Series colours
// (0 SoftMax, 1 IsoMax, 2 IsoMax+, then others) keep 3:1 contrast on both grounds and differ in lightness too. On paper
// everything is light, folded tables stay folded, and no figure is cut in two.

const LIGHT = `
  --ground: #fbfaf8; --card: #ffffff; --ink: #1f2328; --soft: #59626d; --line: #e2e0db; --grid: #ecebe7; --band: #f4f2ee;
  --accent: #5b3fc4; --known: #2f74c0; --unknown: #c2570c;
  --s0: #57606a; --s1: #6a3fd1; --s2: #0b7d6f; --s3: #b4306f; --s4: #8a6100; --s5: #1c6fb8; --s6: #a33b1f; --s7: #3f6b1d;`;

const DARK = `
  --ground: #14161a; --card: #1c1f25; --ink: #e8e6e1; --soft: #a2abb6; --line: #343941; --grid: #2a2e35; --band: #242830;
  --accent: #b19cff; --known: #5ea3ea; --unknown: #f0924a;
  --s0: #aab3bd; --s1: #ab93ff; --s2: #3fc7b4; --s3: #f07fb2; --s4: #d9b13b; --s5: #64b1f2; --s6: #f08f70; --s7: #9ac86b;`;

const DASHES = ['none', '9 3', '3 2.5', '12 3 3 3', '6 2', '1.5 2.5', '14 4', '8 3 2 3 2 3'];

const series = DASHES.map(
  (dash, i) => `.s${i} { --series: var(--s${i}); } .curve.s${i} { stroke-dasharray: ${dash}; }`,
).join('\n');

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media screen and (prefers-color-scheme: dark) { :root { ${DARK} } }
@media print { :root { color-scheme: light; --ground: #fff; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
}
h1 { font-size: clamp(1.7rem, 4vw, 2.4rem); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 0.75rem; text-wrap: balance; }
h2 { font-size: 1.35rem; letter-spacing: -0.01em; margin: 0 0 0.35rem; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 0.15rem; }
p { margin: 0 0 0.9rem; max-width: 46rem; overflow-wrap: anywhere; }
.lead { font-size: 1.12rem; }
.note, figcaption, .soft { color: var(--soft); font-size: 0.9rem; }
section { margin-top: 3rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.1rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; margin-top: 1rem; }
figure { margin: 0; min-width: 0; }
.wide { max-width: 52rem; }
figcaption { display: flex; flex-direction: column; line-height: 1.4; margin-bottom: 0.4rem; }
figcaption b { color: var(--ink); font-size: 0.95rem; overflow-wrap: anywhere; }
.environment { display: flex; flex-wrap: wrap; gap: 0.15rem 1.4rem; margin: 1.1rem 0 0; font-size: 0.84rem; }
.environment div { display: flex; gap: 0.4rem; min-width: 0; }
.environment dt { color: var(--soft); }
.environment dd { margin: 0; overflow-wrap: anywhere; }
.tiles { list-style: none; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10rem), 1fr)); gap: 1rem; padding: 0; margin: 1.4rem 0 0; }
.tiles .card { border-top: 4px solid var(--series); }
.tiles h2 { font-size: 1.02rem; margin: 0; overflow-wrap: anywhere; }
.tiles p { margin: 0.2rem 0 0; line-height: 1.4; }
.big { font-size: 2.1rem; font-weight: 680; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1.4rem; padding: 0; margin: 0.6rem 0; font-size: 0.93rem; }
.legend li { display: inline-flex; align-items: center; gap: 0.45rem; overflow-wrap: anywhere; }
.sample { width: 26px; height: 14px; flex: none; overflow: visible; }
.swatch { width: 20px; height: 12px; border-radius: 2px; border: 1.5px solid; flex: none; }
.swatch.known { border-color: var(--known); background: color-mix(in srgb, var(--known) 38%, transparent); }
.swatch.unknown { border-color: var(--unknown); background: color-mix(in srgb, var(--unknown) 24%, transparent); }
.swatch.cut { width: 0; height: 15px; border: 0; border-left: 1.8px dashed var(--ink); border-radius: 0; }

svg { display: block; width: 100%; height: auto; font-family: inherit; }
.sample { display: inline-block; }
.axis line { stroke: var(--grid); stroke-width: 1; }
.axis text { fill: var(--soft); font-size: 10.5px; font-variant-numeric: tabular-nums; }
.axis text.label { font-size: 11px; }
text.row { fill: var(--ink); font-size: 13px; }
text.strong { font-weight: 650; }
.band { fill: var(--band); }
.span { stroke: var(--line); stroke-width: 3; stroke-linecap: round; }
.curve { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; }
.dot { fill: var(--series); stroke: var(--card); stroke-width: 1.2; }
.chance { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; opacity: 0.7; }
.level { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 5 3; opacity: 0.45; }
.key text { fill: var(--ink); font-size: 11px; }
.key .figure { font-variant-numeric: tabular-nums; font-weight: 600; }
path.known { fill: var(--known); fill-opacity: 0.38; stroke: var(--known); stroke-width: 1.2; }
path.unknown { fill: var(--unknown); fill-opacity: 0.24; stroke: var(--unknown); stroke-width: 1.5; }
.threshold { stroke: var(--ink); stroke-width: 1.3; stroke-dasharray: 4 3; }
${series}

.scroll { overflow-x: auto; margin-top: 1rem; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
caption { text-align: left; color: var(--soft); font-size: 0.9rem; padding-bottom: 0.5rem; }
th, td { padding: 0.32rem 0.6rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody + tbody tr:first-child th { padding-top: 1rem; }
tbody th[scope=rowgroup] { font-weight: 650; text-align: left; }
tbody tr:not(:first-child) { border-top: 1px solid var(--grid); }
tbody.mean { background: var(--band); }
td strong { color: var(--accent); font-weight: 700; }
details { margin-top: 1.5rem; }
summary { cursor: pointer; font-weight: 600; }
.terms { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; margin: 1.25rem 0 0; font-size: 0.9rem; }
.terms dt { font-weight: 600; }
.terms dd { margin: 0; color: var(--soft); }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.88rem; }
@media (max-width: 40rem) {
  body { padding: 1.5rem 0.9rem 3rem; }
  .card { padding: 0.75rem 0.7rem; }
  table { font-size: 0.8rem; }
  th, td { padding: 0.28rem; }
  td:nth-child(2), thead th { white-space: normal; }
  .terms { grid-template-columns: 1fr; }
  .terms dd { margin-bottom: 0.4rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; }
  figure, tbody, .card, h2, h3 { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .grid { grid-template-columns: repeat(3, 1fr); gap: 0.6rem; }
  .scroll { overflow: visible; }
  th, td { padding: 0.2rem 0.35rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
