// report.html: one page that needs nothing else, no script, no network, no framework. It opens with what was found in one
// sentence, then shows it from coarse to fine: AUROC at a glance, ROC curves, score histograms, every number, and what is
// missing. One network or many: of many each is drawn with the score that goes with it, of one every score. A pure
// function: equal input gives the same bytes. The page forbids itself scripts and loads (Content-Security-Policy).

import { lossNames } from '../known/losses.js';
import { metricNames, metricTable } from '../known/metrics.js';
import { histogramChart, overviewChart, rocChart, type Series, STYLES, sample } from './charts.js';
import { type Content, type Markup, markup, Markup as Safe } from './markup.js';
import { missing } from './missing.js';
import { scoreAxis, scoreMeaning, scoreTitle } from './names.js';
import { inOrder, type Layout, networkOf } from './rows.js';
import { STYLE } from './style.js';
import { cellText, type Group, groupBy, type Line, percentage, type Summary, summarise } from './summary.js';
import type { Environment, Figure, Json, Report, ResultRow } from './types.js';

const TITLE = 'Does the network know what it doesn’t know?';
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** Lines of a report that have curves; more would hide each other. */
export const MOST_DRAWN = STYLES;

/** How the lines of a page are called and which style each has. */
interface Look {
  readonly name: (line: Line) => string;
  readonly style: (line: Line) => number;
}

/**
 * The report as a complete HTML document. Figures of several seeds: the curves of the smallest seed are drawn, the numbers
 * are means. The last table has all scores.
 *
 * @param layout the order of a manifest's names
 * @example
 * await writeFile('report.html', renderHtml({ environment, results, figures }));
 */
export function renderHtml(report: Report, layout?: Layout): string {
  const { environment, figures, title = TITLE } = report;
  const results = inOrder(report.results, layout);
  const everything = summarise(results, 'all');
  const summaries = drawnSummaries(results);
  const look = lookOf(results);
  const parts = summaries.map((summary, i) => {
    const all = everything[i]!;
    const drawn = drawnFigures(figures, summary);
    const id = `k${i}`;
    return [
      glance(id, summary, look),
      rocSection(id, summary, drawn, look),
      histogramSection(id, summary, drawn, look),
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
${summaries.map((summary) => lead(summary, look))}
${environmentList(environment)}
</header>
<main>
${parts.length > 0 ? parts : markup`<p>No results.</p>`}
${missing(report)}
</main>
<footer>Made by isotorch. The same rows, for programs, are in results.json.</footer>
</body>
</html>
`;
  return page.text;
}

const isOneNetwork = (results: readonly ResultRow[]): boolean => new Set(results.map(networkOf)).size === 1;

/** What is drawn: of one network all scores, of several each one's own. */
function drawnSummaries(results: readonly ResultRow[]): Summary[] {
  return summarise(results, isOneNetwork(results) ? 'all' : 'customary');
}

/** The rows whose curves a page of these results draws: the smallest seed of the first lines. */
export function drawnRows(results: readonly ResultRow[]): ResultRow[] {
  return drawnSummaries(results).flatMap((summary) => {
    const lines = drawnLines(summary);
    const own = results.filter((row) => row.id === summary.id && lines.some((line) => sameLine(row, line)));
    return smallestSeeds(own);
  });
}

/** Number of colour, dash and marker for each network, or for each score of a single one: our losses always have the same. */
function lookOf(results: readonly ResultRow[]): Look {
  const one = isOneNetwork(results) && new Set(results.map(({ score }) => score)).size > 1;
  const styles = new Map<string, number>();
  let next: number = lossNames.length;
  const manyModels = new Set(results.map((row) => row.model)).size > 1;
  const networks = new Set(results.map(networkOf)).size;
  const losses = new Set(results.map(({ loss }) => loss)).size;
  for (const row of results) {
    const key = one ? row.score : networkOf(row);
    if (styles.has(key)) continue;
    const own = manyModels || networks > losses ? -1 : (lossNames as readonly string[]).indexOf(row.loss);
    styles.set(key, one ? styles.size % STYLES : own >= 0 ? own : next++ % STYLES);
  }
  return {
    name: ({ label, score }) => (one ? score : label),
    style: ({ network, score }) => styles.get(one ? score : network) ?? 0,
  };
}

/** The mean group, or the only one. */
function overall({ groups }: Summary): Group {
  return groups.at(-1)!;
}

/** Every line of a summary once, also those that have no mean. */
function linesOf({ groups }: Summary): Line[] {
  const lines = new Map(
    groups.flatMap((group) => group.lines.map((line) => [JSON.stringify([line.network, line.score]), line])),
  );
  return [...lines.values()];
}

const drawnLines = (summary: Summary): Line[] => linesOf(summary).slice(0, MOST_DRAWN);

/** The question in words and its answer in large numbers, one tile a loss. */
function lead(summary: Summary, look: Look): Markup {
  const sets = summary.groups.filter(({ ood }) => ood !== null);
  const mean = sets.length > 1 ? `, averaged over ${sets.length} sets of them` : '';
  return markup`<p class="lead">A network that was trained on <b>${summary.id}</b> is shown images of things it has never met: ${list(sets.map(({ ood }) => ood))}. If it knows its limits, it is less sure of those. How often does a known image get a higher score than an unknown one${mean}? Guessing would give 50 %.</p>
<ul class="tiles">${overall(summary)
    .lines.slice(0, MOST_DRAWN)
    .map(
      (line) =>
        markup`<li class="card s${look.style(line)}"><h2>${look.name(line)}</h2><p class="big">${cellText(line.cells.auroc)} %</p><p class="soft">known above unknown (AUROC), by ${scoreTitle(line.score)}</p>${
          line.cells.accuracy
            ? markup`<p class="soft">${cellText(line.cells.accuracy)} % of known images named correctly</p>`
            : null
        }</li>`,
    )}</ul>`;
}

function glance(id: string, summary: Summary, look: Look): Markup {
  const drawn = drawnLines(summary);
  const isDrawn = (line: Line): boolean => drawn.some((one) => sameLine(one, line));
  const rows = summary.groups.map(({ ood, lines }) => ({
    name: ood ?? 'mean',
    strong: ood === null,
    values: lines
      .filter(isDrawn)
      .flatMap((line) =>
        line.cells.auroc ? [{ label: look.name(line), style: look.style(line), value: line.cells.auroc.mean }] : [],
      ),
  }));
  return markup`<section aria-labelledby="${id}-glance">
<h2 id="${id}-glance">At a glance</h2>
<p>Each line is a set of unknown images, each mark a ${drawn.some((line) => look.name(line) !== line.label) ? 'score' : 'loss'}. The farther right, the better the network tells these images from those of ${summary.id}.</p>
${legend(drawn, look, 'dot')}
<figure class="card wide">${overviewChart(
    `${id}-overview`,
    rows.filter(({ values }) => values.length > 0),
  )}</figure>
</section>`;
}

function rocSection(id: string, summary: Summary, figures: readonly Figure[], look: Look): Content {
  if (figures.length === 0) return null;
  const lines = drawnLines(summary);
  const panels = summary.groups.flatMap(({ ood, lines: inGroup }, i) => {
    const curves = inGroup.flatMap((line): (Series & { auroc: number; roc: Figure['roc'] })[] => {
      const figure = figures.find((one) => one.ood === ood && sameLine(one, line));
      return figure && line.cells.auroc
        ? [{ label: look.name(line), style: look.style(line), auroc: line.cells.auroc.mean, roc: figure.roc }]
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
${legend(lines, look, 'line')}
<div class="grid">${panels}</div>
${drawnNote(figures, summary)}
</section>`;
}

function histogramSection(id: string, summary: Summary, figures: readonly Figure[], look: Look): Content {
  if (figures.length === 0) return null;
  const rows = drawnLines(summary).map((line, l) => {
    const own = figures.filter((figure) => sameLine(figure, line));
    const meaning = scoreMeaning(line.score);
    const panels = own.map((figure, i) => {
      const cells = summary.groups
        .find(({ ood }) => ood === figure.ood)
        ?.lines.find((one) => sameLine(one, line))?.cells;
      const rejected = cells?.tnrAtTpr95;
      return markup`<figure class="card"><figcaption><b>${figure.ood}</b>${rejected ? markup`<span>${percentage(rejected.mean)} % of them rejected</span>` : null}</figcaption>${histogramChart(
        `${id}-h${l}-${i}`,
        `${look.name(line)}: ${scoreTitle(line.score)} of ${figure.id} and ${figure.ood}`,
        figure,
        scoreAxis(line.score),
      )}</figure>`;
    });
    if (panels.length === 0) return null;
    return markup`<h3>${look.name(line)}</h3>
<p class="note">Score: ${scoreTitle(line.score)}${meaning ? `, ${meaning}` : ''}.</p>
<div class="grid">${panels}</div>`;
  });
  return markup`<section aria-labelledby="${id}-scores">
<h2 id="${id}-scores">What the scores look like</h2>
<p>The less the two hills overlap, the better known and unknown can be told apart. Unknown images left of the dashed line are rejected when 95 % of the known ones are accepted. The outermost bars also hold what lies beyond them.</p>
<ul class="legend"><li><span class="swatch known"></span>known images (${summary.id})</li><li><span class="swatch unknown"></span>unknown images</li><li><span class="swatch cut"></span>95 % of the known images lie right of this line</li></ul>
${rows}
${drawnNote(figures, summary)}
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
  (
    line,
  ) => markup`<tr><th scope="row">${line.label}${line.lacking > 0 ? ` (n = ${line.runs})` : ''}</th><td>${scoreTitle(line.score)}</td>${metricNames.map(
    (name) => {
      const text = cellText(line.cells[name]);
      return line.best.has(name) ? markup`<td><strong>${text}</strong></td>` : markup`<td>${text}</td>`;
    },
  )}</tr>
`,
)}</tbody>
`,
)}</table></div>`;
}

function legend(lines: readonly Line[], look: Look, kind: 'dot' | 'line'): Markup {
  return markup`<ul class="legend">${lines.map(
    (line) =>
      markup`<li>${sample(look.style(line), kind)}<span>${look.name(line)} ${scoreTitle(line.score) !== look.name(line) && markup`<span class="soft">${scoreTitle(line.score)}</span>`}</span></li>`,
  )}</ul>`;
}

/** Figures of the lines that a summary shows: for each comparison that of the smallest seed. */
function drawnFigures(figures: readonly Figure[], { id }: Summary): Figure[] {
  return smallestSeeds(figures.filter((figure) => figure.id === id));
}

function smallestSeeds<T extends Figure | ResultRow>(of: readonly T[]): T[] {
  const keyOf = (each: T): string => JSON.stringify([networkOf(each), each.score, each.ood]);
  const bySeed = (a: T, b: T): number => (a.seed ?? -1) - (b.seed ?? -1);
  return [...groupBy(of, keyOf).values()].map((same) => [...same].sort(bySeed)[0]!);
}

function sameLine(one: Figure | ResultRow | Line, line: Line): boolean {
  return networkOf(one) === line.network && one.score === line.score;
}

/** Which of what there is was drawn, where that is not all of it. */
function drawnNote(figures: readonly Figure[], summary: Summary): Content {
  const lines = linesOf(summary);
  const seeds = [...new Set(figures.map(({ seed }) => seed))];
  return [
    lines.length > MOST_DRAWN
      ? markup`<p class="note">Drawn: the first ${MOST_DRAWN} of ${lines.length}. The table has all of them.</p>`
      : null,
    lines.every(({ runs }) => runs === 1)
      ? null
      : markup`<p class="note">Drawn: the run with seed ${list(seeds.map(String))}. The numbers are means over all runs.</p>`,
  ];
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
