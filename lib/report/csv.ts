// results.csv, for spreadsheets and data frames: the rows of results.json under a line of names, quoted as RFC 4180 says.
// Numbers keep all their digits; null is an empty field.

import { ROW_KEYS } from './json.js';
import type { ResultRow } from './types.js';

/** The text of results.csv. Equal input gives equal text. */
export function resultsCsv(results: readonly ResultRow[]): string {
  return csv([ROW_KEYS, ...results.map((row) => ROW_KEYS.map((key) => row[key]))]);
}

export type CsvField = string | number | null;

/** Lines of fields as CSV. */
export function csv(lines: readonly (readonly CsvField[])[]): string {
  return lines.map((fields) => `${fields.map(field).join(',')}\r\n`).join('');
}

function field(value: CsvField): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A leading = + - @ would make a spreadsheet run a data set's name as a formula; an apostrophe keeps it text.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
