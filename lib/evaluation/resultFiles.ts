// results.json and results.csv of an evaluation: what was measured, left out, and what failed. No dates, no durations, no
// paths of this machine: the same results give the same bytes.

import { metricNames } from '../known/metrics.js';
import { type CsvField, csv } from '../report/csv.js';
import { ROW_KEYS } from '../report/json.js';
import type { Bootstrap } from './manifest/types.js';
import type { Skipped } from './plan.js';
import { type EvaluationRow, type Layout, sortRows } from './rows.js';

/** A job that ended in an error, and with it everything that needed it. */
export interface Failure {
  /** Id of the job. */
  readonly job: string;
  readonly code: string;
  readonly message: string;
  /** How many rows of the results are missing for that; a row that needed several such jobs counts for one of them. */
  readonly rows: number;
}

/** What an evaluation has come to. */
export interface Outcome {
  readonly name: string;
  readonly profile: string | null;
  readonly bootstrap: Bootstrap | null;
  readonly rows: readonly EvaluationRow[];
  readonly skipped: readonly Skipped[];
  readonly failures: readonly Failure[];
}

/**
 * The text of results.json: `{ name, profile, bootstrap, results, skipped, failures }`.
 * @throws ERR_DATA for rows that can't be right
 */
export function evaluationJson(outcome: Outcome, layout?: Layout): string {
  const { name, profile, bootstrap, rows: results, skipped, failures } = outcome;
  const text = {
    name,
    profile,
    bootstrap: bootstrap && { resamples: bootstrap.resamples, seed: bootstrap.seed, confidence: bootstrap.confidence },
    results: sortRows(results, layout).map(ordered),
    skipped: sorted(skipped.map(({ network, known, detector, reason }) => ({ network, known, detector, reason }))),
    failures: sorted(failures.map(({ job, code, message, rows }) => ({ job, code, message, rows }))),
  };
  return `${JSON.stringify(text, null, 2)}\n`;
}

/** A row with its keys always in the same order. */
function ordered(row: EvaluationRow): object {
  const { network, distance, intervals, profile } = row;
  const figures = ROW_KEYS.map((key) => [key, row[key]] as const);
  const own = intervals && metricNames.flatMap((name) => (intervals[name] ? [[name, intervals[name]] as const] : []));
  return { network, distance, ...Object.fromEntries(figures), intervals: own && Object.fromEntries(own), profile };
}

function sorted<T extends object>(items: readonly T[]): T[] {
  const keyed = items.map((item) => [JSON.stringify(item), item] as const);
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
}

/**
 * The text of results.csv: a row a line; with intervals, two columns more for each metric that has them (`auroc_low`,
 * `auroc_high`); with a profile, one for each of its figures (`profile FPR@95`). Numbers keep all their digits.
 * @throws ERR_DATA for rows that can't be right
 */
export function evaluationCsv(rows: readonly EvaluationRow[], layout?: Layout): string {
  const bounded = metricNames.filter((name) => rows.some(({ intervals }) => intervals?.[name]));
  const peers = [...new Set(rows.flatMap(({ profile }) => Object.keys(profile ?? {})))];
  const keys = [
    ...['network', 'distance', ...ROW_KEYS],
    ...bounded.flatMap((name) => [`${name}_low`, `${name}_high`]),
    ...peers.map((name) => `profile ${name}`),
  ];
  const lines = sortRows(rows, layout).map((row): CsvField[] => [
    row.network,
    row.distance,
    ...ROW_KEYS.map((key) => row[key]),
    ...bounded.flatMap((name) => row.intervals?.[name] ?? [null, null]),
    ...peers.map((name) => row.profile?.[name] ?? null),
  ]);
  return csv([keys, ...lines]);
}
