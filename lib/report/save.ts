// Writes a report into a folder: results.json and results.csv for programs, results.md and report.html for people. The only file
// of this room that touches a disk. Each file replaces its predecessor at once, so that a reader never meets half of one.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { expected, IsotorchError } from '../errors.js';
import { resultsCsv } from './csv.js';
import { renderHtml } from './html.js';
import { resultsJson } from './json.js';
import { resultsMarkdown } from './markdown.js';
import type { Layout } from './rows.js';
import type { Report } from './types.js';

/** Where the files are, as joined to the directory given. */
export interface SavedReport {
  readonly json: string;
  readonly csv: string;
  readonly markdown: string;
  readonly html: string;
}

export interface SaveOptions {
  /** The order of a manifest's names. */
  readonly layout?: Layout;
  /**
   * Puts the environment into a file of its own, environment.json, and into the page, so that results.json, results.csv and
   * results.md follow from the results alone, byte for byte. @default false
   */
  readonly apart?: boolean;
}

/**
 * Writes all files, making the directory where it is missing.
 * @throws ERR_ARGUMENT without a path, ERR_DATA for a figure that can't be right, ERR_FILE when it can't be written
 */
export async function saveReport(
  directory: string,
  report: Report,
  { layout, apart = false }: SaveOptions = {},
): Promise<SavedReport> {
  if (typeof directory !== 'string' || directory === '')
    throw expected('the path of a directory', 'directory', directory);
  const { environment, figures, title, ...rest } = report;
  const paths = {
    json: join(directory, 'results.json'),
    csv: join(directory, 'results.csv'),
    markdown: join(directory, 'results.md'),
    html: join(directory, 'report.html'),
  };
  // All texts first: a result that can't be written leaves the old files as they were.
  const texts = [
    [paths.json, resultsJson(apart ? rest : { ...rest, environment }, layout)],
    [paths.csv, resultsCsv(report.results, layout)],
    [paths.markdown, markdownOf(report, layout)],
    [paths.html, renderHtml(report, layout)],
    ...(apart ? [[join(directory, 'environment.json'), `${JSON.stringify(environment, null, 2)}\n`]] : []),
  ] as [string, string][];
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

/** The text of results.md. */
export const markdownOf = ({ results, name }: Pick<Report, 'results' | 'name'>, layout?: Layout): string =>
  resultsMarkdown(results, { ...(name !== undefined && { title: name }), ...(layout && { layout }) });
