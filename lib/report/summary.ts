// From flat rows to what a table shows: groups (one unknown data set each, and their mean), lines in them (one loss, model
// and score each), and in each cell the mean over seeds with its spread. All reports print these, so that the terminal, the
// page and a reader's own sums agree. Order is order of first appearance.

import { type MetricName, metricNames } from '../known/metrics.js';
import { customaryScore, lossTitle } from './names.js';
import { networkOf } from './rows.js';
import type { ResultRow } from './types.js';

/** A mean over runs with different seeds. */
export interface Cell {
  readonly mean: number;
  /** Sample standard deviation (n − 1); undefined for a single run. */
  readonly deviation: number | undefined;
}

export interface Line {
  /** What tells it from other networks. */
  readonly network: string;
  readonly loss: string;
  readonly model: string;
  readonly score: string;
  /** What to call the network: by its loss, and by its name or model too where the loss alone doesn't tell. */
  readonly label: string;
  /** Whether this is the score that goes with the loss. */
  readonly customary: boolean;
  readonly runs: number;
  /** Seeds of the line that have no figure in this group. */
  readonly lacking: number;
  /** Undefined where no run has the figure: accuracy without labels. */
  readonly cells: Readonly<Record<MetricName, Cell | undefined>>;
  /** The figures that no line of the group exceeds, as printed; empty in a group of one line. */
  readonly best: ReadonlySet<MetricName>;
}

export interface Group {
  /** Name of the unknown data set; null for the mean over all of them. */
  readonly ood: string | null;
  /** Unknown images; undefined for the mean, and where runs differ. */
  readonly nOod: number | undefined;
  readonly lines: readonly Line[];
}

export interface Summary {
  readonly id: string;
  /** Known images; undefined where runs differ. */
  readonly nId: number | undefined;
  /** A group for each unknown data set; where there are several, their mean comes last. */
  readonly groups: readonly Group[];
}

/** `customary`: one line a loss, with the score that goes with it. `all`: every score. */
export type ScoreChoice = 'customary' | 'all';

/**
 * Groups rows by known data set, then by unknown data set.
 *
 * The mean over unknown data sets is unweighted and taken run by run; its deviation is then that of the runs' means. It
 * is left out of a line that lacks one of the sets in some run: means over different sets can't be compared.
 */
export function summarise(results: readonly ResultRow[], scores: ScoreChoice = 'customary'): Summary[] {
  return [...groupBy(results, (row) => row.id)].map(([id, rows]) => {
    const label = labelling(rows);
    const lines = [...groupBy(rows, (row) => JSON.stringify([networkOf(row), row.score])).values()]
      .map((of) => ({ ...describeLine(of[0]!, rows, label), of }))
      .filter(({ customary }) => scores === 'all' || customary);
    const oods = [...groupBy(rows, (row) => row.ood).keys()];
    const groups: Group[] = oods.map((ood) => {
      const inGroup = lines.map(({ of, ...line }) =>
        counted(
          line,
          of,
          of.filter((row) => row.ood === ood),
        ),
      );
      const sizes = rows.filter((row) => row.ood === ood).map((row) => row.nOod);
      return { ood, nOod: common(sizes), lines: markBest(inGroup.filter(({ runs }) => runs > 0)) };
    });
    if (oods.length > 1) {
      const means = lines.map(({ of, ...line }) => counted(line, of, meansOverSets(of, oods)));
      groups.push({ ood: null, nOod: undefined, lines: markBest(means.filter(({ runs }) => runs > 0)) });
    }
    return { id, nId: common(rows.map((row) => row.nId)), groups };
  });
}

/** 0.9234 → `92.3`; percentages have one decimal everywhere. */
export function percentage(fraction: number): string {
  return (fraction * 100).toFixed(1);
}

/** `92.3` or, over several seeds, `92.3 ± 0.4`. */
export function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '–';
  return cell.deviation === undefined
    ? percentage(cell.mean)
    : `${percentage(cell.mean)} ± ${percentage(cell.deviation)}`;
}

/** Parts that share a key, in order of first appearance. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

type Figures = { readonly [name in MetricName]: number | null };
type Averaged = Pick<Line, 'runs' | 'cells'>;

function describeLine(row: ResultRow, rows: readonly ResultRow[], label: (row: ResultRow) => string) {
  const { loss, model, score } = row;
  const network = networkOf(row);
  const scores = rows.filter((other) => networkOf(other) === network).map((other) => other.score);
  return { network, loss, model, score, label: label(row), customary: customaryScore(loss, scores) === score };
}

/** How networks are called: by their loss, and by their name (or model) too where several have the same. */
export function labelling(rows: readonly ResultRow[]): (row: ResultRow) => string {
  const networks = new Map(
    [...groupBy(rows, ({ loss }) => loss)].map(([loss, of]) => [loss, countOf(of.map(networkOf))]),
  );
  const models = countOf(rows.map(({ model }) => model));
  return ({ loss, model, network }) => {
    const several = network === undefined ? models > 1 : networks.get(loss)! > 1;
    return several ? `${lossTitle(loss)} · ${network ?? model}` : lossTitle(loss);
  };
}

const countOf = (names: readonly unknown[]): number => new Set(names).size;

function counted<L extends object>(line: L, all: readonly ResultRow[], runs: readonly Figures[]) {
  return { ...line, ...average(runs), lacking: countOf(all.map(({ seed }) => seed)) - runs.length };
}

function average(runs: readonly Figures[]): Averaged {
  const cells = Object.fromEntries(
    metricNames.map((name) => [name, cellOf(runs.map((run) => run[name]).filter((value) => value !== null))]),
  );
  return { runs: runs.length, cells: cells as Line['cells'] };
}

/** Mean and sample deviation over runs; undefined where there are none. */
export function cellOf(values: readonly number[]): Cell | undefined {
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, deviation: undefined };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** One set of figures a run: its means over the unknown data sets, where it has them all. */
function meansOverSets(rows: readonly ResultRow[], oods: readonly string[]): Figures[] {
  const runs = [...groupBy(rows, (row) => String(row.seed)).values()];
  if (!runs.every((run) => oods.every((ood) => run.some((row) => row.ood === ood)))) return [];
  return runs.map((run) => {
    const { cells } = average(run);
    return Object.fromEntries(metricNames.map((name) => [name, cells[name]?.mean ?? null])) as Figures;
  });
}

function markBest(lines: readonly Omit<Line, 'best'>[]): Line[] {
  const printed = (line: Omit<Line, 'best'>, name: MetricName): number => {
    const cell = line.cells[name];
    return cell === undefined ? Number.NEGATIVE_INFINITY : Number(percentage(cell.mean));
  };
  return lines.map((line) => {
    const best = metricNames.filter(
      (name) => line.cells[name] !== undefined && lines.every((other) => printed(other, name) <= printed(line, name)),
    );
    return { ...line, best: new Set(lines.length > 1 ? best : []) };
  });
}

function common(values: readonly number[]): number | undefined {
  return values.every((value) => value === values[0]) ? values[0] : undefined;
}
