// results.md: a table for each known set and metric, with a row for each network and detector and a column for each unknown
// set and for the means of the near and of the far ones. Cells are means over seeds with their spread, in %.

import { type MetricName, metricTable } from '../known/metrics.js';
import { inOrder, type Layout, networkOf } from './rows.js';
import { type Cell, cellOf, cellText, groupBy, labelling, percentage } from './summary.js';
import { displayWidth } from './table.js';
import type { ResultRow } from './types.js';

/**
 * What ± means beside a mean over unknown sets.
 * - `runs`: means over sets are taken within each run; ± is the sample deviation (n − 1) of the runs' means.
 * - `papers`: the mean of the sets' own sample deviations over runs, as the IsoMax papers print it (dlmacedo's analyze.py);
 *   never smaller.
 */
export type Spread = 'runs' | 'papers';

export interface TablesOptions {
  readonly title?: string;
  /** @default AUROC and TNR@TPR95 */
  readonly metrics?: readonly MetricName[];
  /** @default 'runs' */
  readonly spread?: Spread;
  readonly layout?: Layout;
}

/** A column: one unknown set, or the mean over the near or the far ones. */
export type Column = { readonly title: string; readonly sets: readonly string[]; readonly mean: boolean };

export interface TableLine {
  readonly label: string;
  readonly detector: string;
  /** Runs with any figure. */
  readonly runs: number;
  /** For each column; undefined where figures are missing. */
  readonly cells: readonly (CellOfRuns | undefined)[];
}

export interface CellOfRuns extends Cell {
  readonly runs: number;
}

/** One table as numbers. */
export interface Table {
  readonly known: string;
  readonly metric: MetricName;
  readonly columns: readonly Column[];
  readonly lines: readonly TableLine[];
}

/**
 * The tables of some rows, known set by known set and metric by metric.
 * @throws ERR_DATA for rows that can't be right
 */
export function tablesOf(rows: readonly ResultRow[], options: TablesOptions = {}): Table[] {
  const { metrics = ['auroc', 'tnrAtTpr95'], spread = 'runs', layout } = options;
  return [...groupBy(inOrder(rows, layout), ({ id }) => id)].flatMap(([known, own]) => {
    const columns = columnsOf(own);
    const lines = [...groupBy(own, (row) => JSON.stringify([networkOf(row), row.score])).values()];
    const label = labelling(own);
    // Within a line rows are ordered by seed; lines are ordered by network, then by detector.
    return metrics.map((metric) => ({
      known,
      metric,
      columns,
      lines: lines.map((of) => ({
        label: label(of[0]!),
        detector: of[0]!.score,
        runs: new Set(of.map(({ seed }) => seed)).size,
        cells: columns.map((column) => cell(of, column, metric, spread)),
      })),
    }));
  });
}

function columnsOf(rows: readonly ResultRow[]): Column[] {
  return (['near', 'far', undefined] as const).flatMap((distance): Column[] => {
    const sets = [
      ...groupBy(
        rows.filter((row) => row.distance === distance),
        ({ ood }) => ood,
      ).keys(),
    ];
    const alone = sets.map((set) => ({ title: set, sets: [set], mean: false }));
    return sets.length > 1
      ? [...alone, { title: distance === undefined ? 'mean' : `${distance} mean`, sets, mean: true }]
      : alone;
  });
}

function cell(
  rows: readonly ResultRow[],
  { sets }: Column,
  metric: MetricName,
  spread: Spread,
): CellOfRuns | undefined {
  const runs = [...groupBy(rows, ({ seed }) => String(seed)).values()]
    .map((run) => sets.map((set) => run.find(({ ood }) => ood === set)?.[metric] ?? null))
    .filter((run) => run.some((value) => value !== null));
  // A mean over other sets than those of the neighbouring lines could not be compared with theirs.
  if (!runs.every((run): run is number[] => run.every((value) => value !== null))) return undefined;
  const means = cellOf(runs.map((run) => run.reduce((sum, value) => sum + value, 0) / run.length));
  if (means === undefined) return undefined;
  const cells = sets.map((_, i) => cellOf(runs.map((run) => run[i]!))?.deviation);
  const papers = cells.reduce((sum: number, deviation) => sum + (deviation ?? 0), 0) / cells.length;
  const deviation = means.deviation === undefined || spread === 'runs' ? means.deviation : papers;
  return { mean: means.mean, deviation, runs: runs.length };
}

/**
 * The text of results.md. Equal rows in any order give equal text.
 * @throws ERR_DATA for rows that can't be right
 */
export function resultsMarkdown(rows: readonly ResultRow[], options: TablesOptions = {}): string {
  const { title, spread = 'runs' } = options;
  const tables = tablesOf(rows, options);
  const parts = tables.flatMap((table, i) => {
    const first = table.known !== tables[i - 1]?.known;
    return [...(first ? accuracies(rows, table.known, options.layout) : []), markdownTable(table)];
  });
  const most = Math.max(0, ...tables.flatMap(({ lines }) => lines.map(({ runs }) => runs)));
  return `${[...(title === undefined ? [] : [`# ${title}`]), ...parts, ...(most === 0 ? ['No results.'] : [footnote(most, spread)])].join('\n\n')}\n`;
}

function footnote(runs: number, spread: Spread): string {
  const best = 'In %; ↑ more is better; the best of a column is bold, – has no figure.';
  if (runs < 2) return `${best} Means over sets are unweighted.`;
  const meaning = {
    runs: 'Means over unknown sets are taken within each run first.',
    papers:
      'For means over unknown sets, ± is the mean of the sets’ standard deviations, as the IsoMax papers print it.',
  };
  return `${best} Mean ± sample standard deviation (n − 1) over up to ${runs} seeds. ${meaning[spread]}`;
}

/** The share of known images that each network classifies rightly; nothing where that isn't known. */
function accuracies(rows: readonly ResultRow[], known: string, layout: Layout | undefined): string[] {
  const own = inOrder(rows, layout).filter(({ id }) => id === known);
  const label = labelling(own);
  const lines = [...groupBy(own, networkOf).values()].flatMap((of) => {
    const runs = [...groupBy(of, ({ seed }) => String(seed)).values()].map((run) => run[0]!.accuracy);
    const mean = cellOf(runs.filter((value) => value !== null));
    return mean === undefined ? [] : [[label(of[0]!), cellText(mean)]];
  });
  return lines.length === 0 ? [] : [`## ${cellSafe(known)}: accuracy ↑`, grid(['network', 'accuracy'], lines, 1)];
}

function markdownTable({ known, metric, columns, lines }: Table): string {
  const best = columns.map((_, i) => Math.max(...lines.map(({ cells }) => printed(cells[i]))));
  const body = lines.map(({ label, detector, runs, cells }) => [
    label,
    detector,
    ...cells.map((each, i) => {
      const text = each === undefined || each.runs === runs ? cellText(each) : `${cellText(each)} (n = ${each.runs})`;
      return lines.length > 1 && each !== undefined && printed(each) === best[i] ? `**${text}**` : text;
    }),
  ]);
  const head = ['network', 'detector', ...columns.map(({ title }) => title)];
  return `## ${cellSafe(known)}: ${metricTable[metric].short} ↑\n\n${grid(head, body, 2)}`;
}

const printed = (each: Cell | undefined): number => (each === undefined ? -1 : Number(percentage(each.mean)));

/** A Markdown table whose columns are aligned in the source too; the first `left` of them to the left. */
function grid(head: readonly string[], body: readonly (readonly string[])[], left: number): string {
  const lines = [head, ...body].map((texts) => texts.map(cellSafe));
  const widths = head.map((_, i) => Math.max(3, ...lines.map((texts) => displayWidth(texts[i]!))));
  const row = (texts: readonly string[]): string =>
    `| ${texts
      .map((text, i) => {
        const space = ' '.repeat(widths[i]! - displayWidth(text));
        return i < left ? text + space : space + text;
      })
      .join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i < left ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [row(lines[0]!), rule, ...lines.slice(1).map(row)].join('\n');
}

/** Names are a user's: nothing in them may end a cell or a line. */
function cellSafe(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, '�').replace(/[\\|<`]/g, '\\$&');
}
