// The rows of an evaluation's results, in an order that depends on nothing but what they are about: jobs may end in any order,
// over any number of runs, and the files come out the same, byte for byte.

import { IsotorchError } from '../errors.js';
import { type MetricName, metricTable } from '../known/metrics.js';
import { isNameOf } from '../known/table.js';
import { checkRow } from '../report/json.js';
import type { ResultRow } from '../report/types.js';
import type { Distance, Plan } from './plan.js';

/** How well one network with one detector tells one known set from one unknown one. `score` is the detector's label. */
export interface EvaluationRow extends ResultRow {
  /** What networks that differ in their seeds alone share. */
  readonly network: string;
  readonly distance: Distance;
  /** Bootstrap intervals of some metrics; null without a bootstrap. */
  readonly intervals: Intervals | null;
  /** The figures of the profile by its own names, null where it has none for these scores; null without a profile. */
  readonly profile: Readonly<Record<string, number | null>> | null;
}

export type Intervals = { readonly [name in MetricName]?: readonly [low: number, high: number] };

/** The order of names in files and tables; others come after them, by their letters. */
export interface Layout {
  readonly known: readonly string[];
  readonly networks: readonly string[];
  readonly detectors: readonly string[];
  readonly ood: readonly string[];
}

/** The order of the manifest. */
export function layoutOf({ networks, detectors }: Plan): Layout {
  const known = networks.flatMap((each) => each.known);
  const distinct = (names: readonly string[]): string[] => [...new Set(names)];
  return {
    known: distinct(known.map(({ name }) => name)),
    networks: distinct(networks.map(({ network }) => network.name)),
    detectors: detectors.map(({ label }) => label),
    ood: distinct(known.flatMap(({ ood }) => [...ood.near, ...ood.far].map(({ name }) => name))),
  };
}

const NO_LAYOUT: Layout = { known: [], networks: [], detectors: [], ood: [] };

/**
 * Checked rows in their order: known set, network, seed, detector, unknown set (near before far).
 * @throws ERR_DATA for a figure that can't be right, and for two rows about the same thing
 */
export function sortRows(rows: readonly EvaluationRow[], layout: Layout = NO_LAYOUT): EvaluationRow[] {
  const ranks = {
    known: ranking(layout.known),
    network: ranking(layout.networks),
    detector: ranking(layout.detectors),
    ood: ranking(layout.ood),
  };
  const sorted = rows
    .map((row, index) => ({ ...checkRow(row, `rows[${index}]`, 'ERR_DATA'), ...checkOwn(row, `rows[${index}]`) }))
    .sort(
      (a, b) =>
        ranks.known(a.id, b.id) ||
        ranks.network(a.network, b.network) ||
        bySeed(a.seed, b.seed) ||
        ranks.detector(a.score, b.score) ||
        Number(a.distance === 'far') - Number(b.distance === 'far') ||
        ranks.ood(a.ood, b.ood),
    );
  const seen = new Set<string>();
  for (const { id, network, seed, score, ood } of sorted) {
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

function checkOwn({ network, distance, intervals, profile }: EvaluationRow, where: string) {
  if (typeof network !== 'string' || (distance !== 'near' && distance !== 'far'))
    throw new IsotorchError('ERR_DATA', `Expected a network and a distance, near or far, for ${where}`);
  for (const [name, [low, high]] of Object.entries(intervals ?? {}))
    if (!isNameOf(metricTable, name) || !(low >= 0 && low <= high && high <= 1))
      throw new IsotorchError(
        'ERR_DATA',
        `Expected a metric with bounds from 0 to 1 for ${where}.intervals.${name} but received ${low} and ${high}`,
      );
  return { network, distance, intervals, profile };
}

function bySeed(a: number | null, b: number | null): number {
  return (a ?? -1) - (b ?? -1);
}

/** By place in `names`, then by code units, which no locale changes. */
function ranking(names: readonly string[]): (a: string, b: string) => number {
  const places = new Map(names.map((name, i) => [name, i]));
  const place = (name: string): number => places.get(name) ?? names.length;
  return (a, b) => place(a) - place(b) || (a < b ? -1 : a > b ? 1 : 0);
}
