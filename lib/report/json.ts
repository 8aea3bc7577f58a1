// results.json, for programs: `{ environment, results }` with flat rows whose keys always come in the same order. Reading
// checks every row, so that a file from elsewhere gives an error with its place and not a table full of NaN.

import { describe, IsotorchError } from '../errors.js';
import type { Environment, ResultRow, Results } from './types.js';

type Kind = 'text' | 'fraction' | 'fraction or null' | 'count' | 'integer or null';

/** Every field of a row, in the order of the file. */
const FIELDS: Readonly<Record<keyof ResultRow, Kind>> = {
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
export const ROW_KEYS = Object.keys(FIELDS) as readonly (keyof ResultRow)[];

/** The text of results.json. Equal input gives equal text. @throws ERR_DATA for a row with a figure that can't be right */
export function resultsJson({ environment, results }: Results): string {
  const rows = results.map((row, index) => checkRow(row, `results[${index}]`, 'ERR_DATA'));
  return `${JSON.stringify({ environment, results: rows }, null, 2)}\n`;
}

/** Reads what `resultsJson` wrote. @param where names the file in messages. @throws ERR_FORMAT */
export function parseResults(text: string, where = 'results.json'): Results {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new IsotorchError('ERR_FORMAT', `${where} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isObject(value) || !isObject(value.environment) || !Array.isArray(value.results))
    throw new IsotorchError('ERR_FORMAT', `Expected { environment: {…}, results: […] } in ${where}`);
  return {
    environment: value.environment as Environment,
    results: value.results.map((row, index) => checkRow(row, `${where}, results[${index}]`, 'ERR_FORMAT')),
  };
}

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
  return Object.fromEntries(checked) as ResultRow;
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
