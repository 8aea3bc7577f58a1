// results.csv, for spreadsheets and data frames: the rows of results.json under a line of names, quoted as RFC 4180 says.
// Numbers keep all their digits; null is an empty field.

import { metricNames } from '../known/metrics.js';
import { inOrder, type Layout, ROW_KEYS } from './rows.js';
import type { ResultRow } from './types.js';

/**
 * The text of results.csv: a row a line; where rows have them, network and distance before, and behind them two columns for
 * each metric with intervals (`auroc_low`, `auroc_high`) and one for each figure of a profile (`profile FPR@95`). Equal input
 * gives equal text.
 * @throws ERR_DATA for rows that can't be right
 */
export function resultsCsv(results: readonly ResultRow[], layout?: Layout): string {
  const rows = inOrder(results, layout);
  const first = (['network', 'distance'] as const).filter((key) => rows.some((row) => row[key] !== undefined));
  const bounded = metricNames.filter((name) => rows.some(({ intervals }) => intervals?.[name]));
  const peers = [...new Set(rows.flatMap(({ profile }) => Object.keys(profile ?? {})))];
  const keys = [
    ...[...first, ...ROW_KEYS],
    ...bounded.flatMap((name) => [`${name}_low`, `${name}_high`]),
    ...peers.map((name) => `profile ${name}`),
  ];
  const lines = rows.map((row) => [
    ...[...first, ...ROW_KEYS].map((key) => row[key] ?? null),
    ...bounded.flatMap((name) => row.intervals?.[name] ?? [null, null]),
    ...peers.map((name) => row.profile?.[name] ?? null),
  ]);
  return [keys, ...lines].map((fields) => `${fields.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A leading = + - @ would make a spreadsheet run a data set's name as a formula; an apostrophe keeps it text.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
