// What is wrong with a manifest: a list, since a person wants to mend all of it at once. Each mistake names its place in the
// file, its path in the manifest, what was expected, what came, and where we can guess it, what was meant.

import { IsotorchError } from '../../errors.js';

/** A place in a text; both count from 1, columns in UTF-16 units as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Mistake extends Place {
  /** `checkpoints[2].weights`; empty for the manifest as a whole. */
  readonly path: string;
  /** `a whole number of 1 or more` */
  readonly expected: string;
  /** `the text "fifty"` */
  readonly received: string;
  /** What to do, as a sentence. */
  readonly hint: string | null;
}

/** A manifest that can't be used. `code` is ERR_FORMAT; the message lists every mistake. */
export class ManifestError extends IsotorchError {
  constructor(
    readonly file: string,
    readonly mistakes: readonly Mistake[],
    text = '',
  ) {
    super('ERR_FORMAT', renderMistakes(file, mistakes, text));
  }
}

/**
 * One block a mistake, with its line of the text where there is one:
 *
 *     a.yaml:14:12: detectors[2].knn.k: expected a whole number of 1 or more but received the text "fifty"
 *        14 |   - knn: { k: fifty }
 *           |               ^
 */
export function renderMistakes(file: string, mistakes: readonly Mistake[], text = ''): string {
  const lines = text.split(/\r\n|\n|\r/);
  return mistakes.map((mistake) => renderMistake(file, mistake, lines[mistake.line - 1])).join('\n');
}

function renderMistake(file: string, mistake: Mistake, source: string | undefined): string {
  const { line, column, path, expected, received, hint } = mistake;
  const what = `expected ${expected} but received ${received}`;
  const head = `${file}:${line}:${column}: ${path === '' ? what : `${path}: ${what}`}`;
  const number = String(line).padStart(5);
  const excerpt =
    source === undefined || source.trim() === '' || column > EXCERPT
      ? []
      : [`${number} | ${clean(source)}`, `${' '.repeat(number.length)} | ${' '.repeat(column - 1)}^`];
  return [head, ...excerpt, ...(hint === null ? [] : [`      → ${hint}`])].join('\n');
}

/** Columns of a line that are shown. */
const EXCERPT = 100;

/** As wide as before, without characters that would move the cursor. */
function clean(source: string): string {
  const shown = source.slice(0, EXCERPT).replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, ' ');
  return source.length > EXCERPT ? `${shown}…` : shown;
}
