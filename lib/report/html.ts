// report.html: one page that needs nothing else, no script, no network, no framework. It opens with what was found in one
// sentence, then shows it from coarse to fine: AUROC at a glance, ROC curves, score histograms, every number. A pure
// function: equal input gives the same bytes. The page forbids itself scripts and loads (Content-Security-Policy).

import { lossNames } from '../known/losses.js';
import { metricNames, metricTable } from '../known/metrics.js';
import { histogramChart, overviewChart, rocChart, type Series, STYLES, sample } from './charts.js';
import { type Content, type Markup, markup, Markup as Safe } from './markup.js';
import { scoreAxis, scoreMeaning, scoreTitle } from './names.js';
import { STYLE } from './style.js';
import { cellText, type Group, groupBy, type Line, percentage, type Summary, summarise } from './summary.js';
import type { Environment, Figure, Json, Report, ResultRow } from './types.js';

const TITLE = 'Does the network know what it doesn’t know?';
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/**
 * The report as a complete HTML document. Figures of several seeds: the curves of the smallest seed are drawn, the numbers
 * are means. For each loss the score that goes with it is drawn; the last table has all scores.
 *
 * @example
 * await writeFile('report.html', renderHtml({ environment, results, figures }));
 */
export function renderHtml({ environment, results, figures, title = TITLE }: Report): string {
  const styles = stylesOf(results);
  const everything = summarise(results, 'all');
  const summaries = summarise(results, 'customary');
  const parts = summaries.map((summary, i) => {
    const all = everything[i]!;
    const drawn = drawnFigures(figures, summary);
    const id = `k${i}`;
    return [
      glance(id, summary, styles),
      rocSection(id, summary, drawn, styles),
      histogramSection(id, summary, drawn),
      numbers(summary, all),
    ];
  });
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="isotorch">
<title>${title}</title>
<style>${new Safe(STYLE)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${summaries.map((summary) => lead(summary, styles))}
${environmentList(environment)}
</header>
<main>
${parts.length > 0 ? parts : markup`<p>No results.</p>`}
</main>
<footer>Made by isotorch. The same rows, for programs, are in results.json.</footer>
</body>
</html>
`;
  return page.text;
}

/** Number of colour, dash and marker for each loss and model: our losses always have the same. */
function stylesOf(results: readonly ResultRow[]): (line: { loss: string; model: string }) => number {
  const styles = new Map<string, number>();
  let next: number = lossNames.length;
  const manyModels = new Set(results.map((row) => row.model)).size > 1;
  for (const { loss, model } of results) {
    const key = JSON.stringify([loss, model]);
    if (styles.has(key)) continue;
    const own = manyModels ? -1 : (lossNames as readonly string[]).indexOf(loss);
    styles.set(key, own >= 0 ? own : next++ % STYLES);
  }
  return ({ loss, model }) => styles.get(JSON.stringify([loss, model])) ?? 0;
}

/** The mean group, or the only one. */
function overall({ groups }: Summary): Group {
  return groups.at(-1)!;
}

/** The question in words and its answer in large numbers, one tile a loss. */
function lead(summary: Summary, styles: (line: Line) => number): Markup {
  const sets = summary.groups.filter(({ ood }) => ood !== null);
  const mean = sets.length > 1 ? `, averaged over ${sets.length} sets of them` : '';
  return markup`<p class="lead">A network that was trained on <b>${summary.id}</b> is shown images of things it has never met: ${list(sets.map(({ ood }) => ood))}. If it knows its limits, it is less sure of those. How often does a known image get a higher score than an unknown one${mean}? Guessing would give 50 %.</p>
<ul class="tiles">${overall(summary).lines.map(
    (line) =>
      markup`<li class="card s${styles(line)}"><h2>${line.label}</h2><p class="big">${cellText(line.cells.auroc)} %</p><p class="soft">known above unknown (AUROC), by ${scoreTitle(line.score)}</p>${
        line.cells.accuracy
          ? markup`<p class="soft">${cellText(line.cells.accuracy)} % of known images named rightly</p>`
          : null
      }</li>`,
  )}</ul>`;
}

function glance(id: string, summary: Summary, styles: (line: Line) => number): Markup {
  const { lines } = overall(summary);
  const rows = summary.groups.map(({ ood, lines }) => ({
    name: ood ?? 'mean',
    strong: ood === null,
    values: lines.flatMap((line) =>
      line.cells.auroc ? [{ label: line.label, style: styles(line), value: line.cells.auroc.mean }] : [],
    ),
  }));
  return markup`<section aria-labelledby="${id}-glance">
<h2 id="${id}-glance">At a glance</h2>
<p>Each line is a set of unknown images, each mark a loss. The farther right, the better the network tells these images from those of ${summary.id}.</p>
${legend(lines, styles, 'dot')}
<figure class="card wide">${overviewChart(`${id}-overview`, rows)}</figure>
</section>`;
}

function rocSection(id: string, summary: Summary, figures: readonly Figure[], styles: (line: Line) => number): Content {
  if (figures.length === 0) return null;
  const lines = overall(summary).lines;
  const panels = summary.groups.flatMap(({ ood, lines: inGroup }, i) => {
    const curves = inGroup.flatMap((line): (Series & { auroc: number; roc: Figure['roc'] })[] => {
      const figure = figures.find((one) => one.ood === ood && sameLine(one, line));
      return figure && line.cells.auroc
        ? [{ label: line.label, style: styles(line), auroc: line.cells.auroc.mean, roc: figure.roc }]
        : [];
    });
    if (ood === null || curves.length === 0) return [];
    return [
      markup`<figure class="card"><figcaption><b>${ood}</b></figcaption>${rocChart(`${id}-roc${i}`, ood, curves)}</figure>`,
    ];
  });
  return markup`<section aria-labelledby="${id}-roc">
<h2 id="${id}-roc">Known accepted against unknown accepted</h2>
<p>To use a score, one chooses a threshold: images above it are accepted, the others rejected. A low threshold accepts every image (top right), a high one none (bottom left). The curve shows every choice in between; the closer it comes to the top left corner, the better. The dashed level keeps 95 % of the known images, the dotted diagonal is guessing, and the number is the area under the curve (AUROC, %).</p>
${legend(lines, styles, 'line')}
<div class="grid">${panels}</div>
${seedNote(figures, overall(summary).lines)}
</section>`;
}

function histogramSection(id: string, summary: Summary, figures: readonly Figure[]): Content {
  if (figures.length === 0) return null;
  const rows = overall(summary).lines.map((line, l) => {
    const own = figures.filter((figure) => sameLine(figure, line));
    const meaning = scoreMeaning(line.score);
    const panels = own.map((figure, i) => {
      const cells = summary.groups
        .find(({ ood }) => ood === figure.ood)
        ?.lines.find((one) => sameLine(one, line))?.cells;
      const rejected = cells?.tnrAtTpr95;
      return markup`<figure class="card"><figcaption><b>${figure.ood}</b>${rejected ? markup`<span>${percentage(rejected.mean)} % of them rejected</span>` : null}</figcaption>${histogramChart(
        `${id}-h${l}-${i}`,
        `${line.label}: ${scoreTitle(line.score)} of ${figure.id} and ${figure.ood}`,
        figure,
        scoreAxis(line.score),
      )}</figure>`;
    });
    if (panels.length === 0) return null;
    return markup`<h3>${line.label}</h3>
<p class="note">Score: ${scoreTitle(line.score)}${meaning ? `, ${meaning}` : ''}.</p>
<div class="grid">${panels}</div>`;
  });
  return markup`<section aria-labelledby="${id}-scores">
<h2 id="${id}-scores">What the scores look like</h2>
<p>The less the two hills overlap, the better known and unknown can be told apart. Unknown images left of the dashed line are rejected when 95 % of the known ones are accepted. The outermost bars also hold what lies beyond them.</p>
<ul class="legend"><li><span class="swatch known"></span>known images (${summary.id})</li><li><span class="swatch unknown"></span>unknown images</li><li><span class="swatch cut"></span>95 % of the known images lie right of this line</li></ul>
${rows}
${seedNote(figures, overall(summary).lines)}
</section>`;
}

function numbers(summary: Summary, all: Summary): Markup {
  const more = all.groups.some(({ lines }, i) => lines.length > summary.groups[i]!.lines.length);
  const runs = Math.max(1, ...all.groups.flatMap(({ lines }) => lines.map((line) => line.runs)));
  const spread = runs > 1 ? ` Mean ± standard deviation over up to ${runs} seeds.` : '';
  return markup`<section aria-label="Numbers, known images from ${summary.id}">
<h2>The numbers</h2>
${table(summary, `Each loss with the score that goes with it. In %, of all figures more is better; the best of each group is bold.${spread}`)}
${more ? markup`<details><summary>Every loss with every score</summary>${table(all, `In %, of all figures more is better; the best of each group is bold.${spread}`)}</details>` : null}
<dl class="terms">${metricNames.map((name) => markup`<dt>${metricTable[name].short}</dt><dd>${metricTable[name].long}</dd>`)}</dl>
</section>`;
}

function table({ id, nId, groups }: Summary, caption: string): Markup {
  const columns = 2 + metricNames.length;
  const size = (count: number | undefined): string =>
    count === undefined ? '' : ` (${count.toLocaleString('en-US')} images)`;
  return markup`<div class="scroll card" role="region" tabindex="0" aria-label="Table of results">
<table><caption>Known: ${id}${size(nId)}. ${caption}</caption>
<thead><tr><th scope="col">loss</th><th scope="col">score</th>${metricNames.map((name) => markup`<th scope="col">${metricTable[name].short} ↑</th>`)}</tr></thead>
${groups.map(
  ({ ood, nOod, lines }) => markup`<tbody${ood === null ? new Safe(' class="mean"') : null}>
<tr><th scope="rowgroup" colspan="${columns}">${ood === null ? 'Mean over the unknown sets' : `Unknown: ${ood}${size(nOod)}`}</th></tr>
${lines.map(
  (line) => markup`<tr><th scope="row">${line.label}</th><td>${scoreTitle(line.score)}</td>${metricNames.map((name) => {
    const text = cellText(line.cells[name]);
    return line.best.has(name) ? markup`<td><strong>${text}</strong></td>` : markup`<td>${text}</td>`;
  })}</tr>
`,
)}</tbody>
`,
)}</table></div>`;
}

function legend(lines: readonly Line[], styles: (line: Line) => number, kind: 'dot' | 'line'): Markup {
  return markup`<ul class="legend">${lines.map(
    (line) =>
      markup`<li>${sample(styles(line), kind)}<span>${line.label} <span class="soft">${scoreTitle(line.score)}</span></span></li>`,
  )}</ul>`;
}

/** Figures of the lines that a summary shows: for each comparison that of the smallest seed. */
function drawnFigures(figures: readonly Figure[], { id }: Summary): Figure[] {
  const own = figures.filter((figure) => figure.id === id);
  const keyOf = ({ loss, model, score, ood }: Figure): string => JSON.stringify([loss, model, score, ood]);
  const bySeed = (a: Figure, b: Figure): number => (a.seed ?? -1) - (b.seed ?? -1);
  return [...groupBy(own, keyOf).values()].map((same) => [...same].sort(bySeed)[0]!);
}

function sameLine(a: { loss: string; model: string; score: string }, b: typeof a): boolean {
  return a.loss === b.loss && a.model === b.model && a.score === b.score;
}

function seedNote(figures: readonly Figure[], lines: readonly Line[]): Content {
  if (lines.every(({ runs }) => runs === 1)) return null;
  const seeds = [...new Set(figures.map(({ seed }) => seed))];
  return markup`<p class="note">Drawn: the run with seed ${list(seeds.map(String))}. The numbers are means over all runs.</p>`;
}

function environmentList(environment: Environment): Content {
  const entries = flatten(environment);
  if (entries.length === 0) return null;
  return markup`<dl class="environment">${entries.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** `{ libtorch: { version: '2.13' } }` → `['libtorch version', '2.13']`. */
function flatten(value: Environment, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, entry]): [string, string][] => {
    const name = prefix ? `${prefix} ${key}` : key;
    if (entry === undefined || entry === null || entry === '') return [];
    if (isPlain(entry)) return flatten(entry, name);
    if (Array.isArray(entry))
      return [[name, entry.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(', ')]];
    return [[name, typeof entry === 'boolean' ? (entry ? 'yes' : 'no') : String(entry)]];
  });
}

function isPlain(value: Json): value is Environment {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `a`, `a and b`, `a, b and c`. */
function list(items: readonly (string | null)[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
