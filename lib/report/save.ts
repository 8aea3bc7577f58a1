// Writes a report into a run directory: results.json and results.csv for programs, report.html for people. The only file of
// this room that touches a disk. Each file replaces its predecessor at once, so that a reader never meets half of one.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { expected, IsotorchError } from '../errors.js';
import { resultsCsv } from './csv.js';
import { renderHtml } from './html.js';
import { resultsJson } from './json.js';
import type { Report } from './types.js';

/** Where the files are, as joined to the directory given. */
export interface SavedReport {
  readonly json: string;
  readonly csv: string;
  readonly html: string;
}

/**
 * Writes all three files, making the directory where it is missing.
 * @throws ERR_ARGUMENT without a path, ERR_DATA for a figure that can't be right, ERR_FILE when it can't be written
 */
export async function saveReport(directory: string, report: Report): Promise<SavedReport> {
  if (typeof directory !== 'string' || directory === '')
    throw expected('the path of a directory', 'directory', directory);
  const paths = {
    json: join(directory, 'results.json'),
    csv: join(directory, 'results.csv'),
    html: join(directory, 'report.html'),
  };
  // All texts first: a result that can't be written leaves the old files as they were.
  const texts = [
    [paths.json, resultsJson(report)],
    [paths.csv, resultsCsv(report.results)],
    [paths.html, renderHtml(report)],
  ] as const;
  try {
    mkdirSync(directory, { recursive: true });
    for (const [path, text] of texts) await writeFileAtomic(path, text);
  } catch (error) {
    throw new IsotorchError('ERR_FILE', `Cannot write the report into ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return paths;
}
