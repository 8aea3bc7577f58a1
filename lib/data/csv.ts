// Comma-separated values as RFC 4180 has them, strictly: a row of another length or a quote out of place is an error with its line,
// because a table that is read almost rightly trains a network that is wrong.

import { IsotorchError } from '../errors.js';

export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The line in the file, from 1, at which each row begins. */
  readonly lines: readonly number[];
}

/**
 * The rows of a CSV text, the first of which names the columns. Fields may be quoted, with "" for a quote; empty lines are passed over.
 * @param name for messages
 * @throws ERR_FORMAT
 */
export function parseCsv(text: string, name: string, delimiter = ','): CsvTable {
  const rows: string[][] = [];
  const lines: number[] = [];
  let [at, line] = [text.charCodeAt(0) === 0xfeff ? 1 : 0, 1];
  const fail = (problem: string) => new IsotorchError('ERR_FORMAT', `${name}, line ${line}: ${problem}`);

  const quoted = (): string => {
    let value = '';
    const begun = line;
    for (at++; ; at++) {
      const end = text.indexOf('"', at);
      if (end < 0) {
        line = begun;
        throw fail('a quoted field that does not end');
      }
      const part = text.slice(at, end);
      line += part.split('\n').length - 1;
      value += part;
      at = end + 1;
      if (text[at] !== '"') return value;
      value += '"';
    }
  };
  const plain = (): string => {
    const begun = at;
    while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') {
      if (text[at] === '"') throw fail('a quote within a field that does not begin with one');
      at++;
    }
    return text.slice(begun, at);
  };

  while (at < text.length) {
    const [row, first] = [[] as string[], line];
    for (;;) {
      row.push(text[at] === '"' ? quoted() : plain());
      if (text[at] !== delimiter) break;
      at++;
    }
    if (text.startsWith('\r\n', at)) at++;
    if (at < text.length && text[at] !== '\n' && text[at] !== '\r') throw fail('text after the end of a quoted field');
    at++;
    line++;
    if (row.length === 1 && row[0] === '') continue;
    if (rows.length > 0 && row.length !== rows[0]!.length) {
      line = first;
      throw fail(`expected ${rows[0]!.length} fields, as the first row has, received ${row.length}`);
    }
    rows.push(row);
    lines.push(first);
  }
  const [header, ...body] = rows;
  if (!header)
    throw new IsotorchError('ERR_FORMAT', `${name}: expected a first row with the names of the columns; it is empty`);
  const twice = header.find((column, i) => header.indexOf(column) !== i);
  if (twice !== undefined)
    throw new IsotorchError('ERR_FORMAT', `${name}: two columns are called ${JSON.stringify(twice)}`);
  return { header, rows: body, lines: lines.slice(1) };
}
