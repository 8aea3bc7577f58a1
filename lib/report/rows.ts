// The rows of results: what a row has to be, and their order, which depends on nothing but what they are about: jobs may end in
// any order, over any number of runs, and the files come out the same, byte for byte.

import { describe, IsotorchError } from '../errors.js';
import { metricTable } from '../known/metrics.js';
import { isNameOf } from '../known/table.js';
import type { ResultRow } from './types.js';

type Kind = 'text' | 'fraction' | 'fraction or null' | 'count' | 'integer or null';

type RowKey = Exclude<keyof ResultRow, 'network' | 'distance' | 'intervals' | 'profile'>;

/** Every field that a row must have, in the order of the file. */
const FIELDS: Readonly<Record<RowKey, Kind>> = {
  loss: 'text',
  model: 'text',
  seed: 'integer or null',
  id: 'text',
  ood: 'text',
  score: 'text',
  accuracy: 'fraction or null',
  auroc: 'fraction',
  tnrAtTpr95: 'fraction',
  dtacc: 'fraction',
  auprIn: 'fraction',
  auprOut: 'fraction',
  nId: 'count',
  nOod: 'count',
};
export const ROW_KEYS = Object.keys(FIELDS) as readonly RowKey[];

/** The row with exactly the fields of a row, in order. @throws `code` for a field that is none */
export function checkRow(row: unknown, where: string, code: 'ERR_DATA' | 'ERR_FORMAT'): ResultRow {
  if (!isObject(row)) throw new IsotorchError(code, `Expected an object at ${where} but received ${describe(row)}`);
  const checked = ROW_KEYS.map((key) => {
    if (isKind(row[key], FIELDS[key])) return [key, row[key]];
    throw new IsotorchError(
      code,
      `Expected ${WORDS[FIELDS[key]]} for ${where}.${key} but received ${describe(row[key])}`,
    );
  });
  const { network, distance, intervals, profile } = row as Partial<ResultRow>;
  if (network !== undefined && typeof network !== 'string')
    throw new IsotorchError(code, `Expected a string for ${where}.network but received ${describe(network)}`);
  if (distance !== undefined && distance !== 'near' && distance !== 'far')
    throw new IsotorchError(code, `Expected near or far for ${where}.distance but received ${describe(distance)}`);
  for (const [name, bounds] of Object.entries(intervals ?? {})) {
    const [low = Number.NaN, high = Number.NaN] = Array.isArray(bounds) ? bounds : [];
    if (!isNameOf(metricTable, name) || !(low >= 0 && low <= high && high <= 1))
      throw new IsotorchError(
        code,
        `Expected a metric with bounds from 0 to 1 for ${where}.intervals.${name} but received ${low} and ${high}`,
      );
  }
  const given = (fields: object) => Object.entries(fields).filter(([, value]) => value !== undefined);
  const [first, last] = [given({ network, distance }), given({ intervals, profile })];
  return Object.fromEntries([...first, ...checked, ...last]) as ResultRow;
}

const WORDS: Readonly<Record<Kind, string>> = {
  text: 'a string',
  fraction: 'a number from 0 to 1',
  'fraction or null': 'a number from 0 to 1 or null',
  count: 'a positive integer',
  'integer or null': 'an integer or null',
};

function isKind(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'fraction':
      return typeof value === 'number' && value >= 0 && value <= 1;
    case 'fraction or null':
      return value === null || isKind(value, 'fraction');
    case 'count':
      return Number.isSafeInteger(value) && (value as number) > 0;
    case 'integer or null':
      return value === null || Number.isSafeInteger(value);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The order of names in files and tables; others come after them, by their letters. */
export interface Layout {
  readonly known: readonly string[];
  readonly networks: readonly string[];
  readonly detectors: readonly string[];
  readonly ood: readonly string[];
}

const NO_LAYOUT: Layout = { known: [], networks: [], detectors: [], ood: [] };

/**
 * Checked rows in their order: known set, network, seed, detector, unknown set (near before far).
 * @throws ERR_DATA for a figure that can't be right, and for two rows about the same thing
 */
export function sortRows(rows: readonly ResultRow[], layout: Layout = NO_LAYOUT): ResultRow[] {
  const ranks = {
    known: ranking(layout.known),
    network: ranking(layout.networks),
    detector: ranking(layout.detectors),
    ood: ranking(layout.ood),
  };
  const sorted = rows
    .map((row, index) => checkRow(row, `rows[${index}]`, 'ERR_DATA'))
    .sort(
      (a, b) =>
        ranks.known(a.id, b.id) ||
        ranks.network(networkOf(a), networkOf(b)) ||
        bySeed(a.seed, b.seed) ||
        ranks.detector(a.score, b.score) ||
        Number(a.distance === 'far') - Number(b.distance === 'far') ||
        ranks.ood(a.ood, b.ood),
    );
  const seen = new Set<string>();
  for (const row of sorted) {
    const { id, seed, score, ood } = row;
    const network = networkOf(row);
    const key = JSON.stringify([id, network, seed, score, ood]);
    if (seen.has(key))
      throw new IsotorchError(
        'ERR_DATA',
        `Expected one row of ${network} (seed ${seed}), ${score}, ${id} and ${ood} but there are two`,
      );
    seen.add(key);
  }
  return sorted;
}

/** The rows of a manifest, checked and sorted; others, checked, as they come. @throws as `sortRows` */
export const inOrder = (rows: readonly ResultRow[], layout?: Layout): ResultRow[] =>
  rows.some(({ network }) => network !== undefined)
    ? sortRows(rows, layout)
    : rows.map((row, index) => checkRow(row, `results[${index}]`, 'ERR_DATA'));

/** What tells networks apart that differ in more than their seeds. */
export const networkOf = ({ network, loss, model }: Pick<ResultRow, 'network' | 'loss' | 'model'>): string =>
  network ?? `${model}-${loss}`;

function bySeed(a: number | null, b: number | null): number {
  return (a ?? -1) - (b ?? -1);
}

/** By place in `names`, then by code units, which no locale changes. */
function ranking(names: readonly string[]): (a: string, b: string) => number {
  const places = new Map(names.map((name, i) => [name, i]));
  const place = (name: string): number => places.get(name) ?? names.length;
  return (a, b) => place(a) - place(b) || (a < b ? -1 : a > b ? 1 : 0);
}
