// results.json, for programs: flat rows whose keys always come in the same order, and beside them where they come from, what was
// left out and what failed. Reading checks every row, so that a file from elsewhere gives an error with its place and not a
// table full of NaN.

import { IsotorchError } from '../errors.js';
import { metricNames } from '../known/metrics.js';
import { checkRow, inOrder, isObject, type Layout } from './rows.js';
import type { Environment, ResultRow, Results } from './types.js';

/**
 * The text of results.json. Equal input gives equal text; rows of a manifest may come in any order.
 * @throws ERR_DATA for a row with a figure that can't be right
 */
export function resultsJson(
  { name, environment, profile, bootstrap, results, skipped, failures }: Results,
  layout?: Layout,
): string {
  const text = {
    ...{ name, environment, profile },
    bootstrap: bootstrap && { resamples: bootstrap.resamples, seed: bootstrap.seed, confidence: bootstrap.confidence },
    results: inOrder(results, layout).map(ordered),
    skipped:
      skipped && sorted(skipped.map(({ network, known, detector, reason }) => ({ network, known, detector, reason }))),
    failures: failures && sorted(failures.map(({ job, code, message, rows }) => ({ job, code, message, rows }))),
  };
  return `${JSON.stringify(text, null, 2)}\n`;
}

/** A row whose intervals are in the order of the metrics. */
function ordered(row: ResultRow): ResultRow {
  const { intervals } = row;
  if (!intervals) return row;
  return {
    ...row,
    intervals: Object.fromEntries(metricNames.flatMap((name) => (intervals[name] ? [[name, intervals[name]]] : []))),
  };
}

function sorted<T extends object>(items: readonly T[]): T[] {
  const keyed = items.map((item) => [JSON.stringify(item), item] as const);
  return keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, item]) => item);
}

/** Environment and rows of what `resultsJson` wrote. @param where names the file in messages. @throws ERR_FORMAT */
export function parseResults(
  text: string,
  where = 'results.json',
): { readonly environment: Environment; readonly results: readonly ResultRow[] } {
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
