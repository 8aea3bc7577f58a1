// The table on a terminal: a block for each unknown data set and one for their mean, losses as rows, percentages with one
// decimal. With colour the best of each block is bold. Returns text and prints nothing.

import { styleText } from 'node:util';
import { metricNames, metricTable } from '../known/metrics.js';
import { printable } from '../printable.js';
import { cellText, type Line, type ScoreChoice, summarise } from './summary.js';
import type { ResultRow } from './types.js';

export interface TableOptions {
  /** Whether to use bold and dim. @default false; `supportsColour(process.stdout)` finds out */
  readonly colour?: boolean;
  /** @default 'customary': for each loss the score that goes with it, where it was computed */
  readonly scores?: ScoreChoice;
}

type Align = 'left' | 'right';

/**
 * Results as an aligned table, without a newline at the end.
 *
 * @example
 * console.log(renderTable(results, { colour: supportsColour(process.stdout) }));
 */
export function renderTable(
  results: readonly ResultRow[],
  { colour = false, scores = 'customary' }: TableOptions = {},
): string {
  if (results.length === 0) return 'No results.';
  const style = (format: 'bold' | 'dim', text: string): string => (colour ? escapeStyle(format, text) : text);
  const summaries = summarise(results, scores);
  const head = ['loss', 'score', ...metricNames.map((name) => `${metricTable[name].short} ↑`)];
  const body = summaries.flatMap(({ groups }) => groups.flatMap(({ lines }) => lines.map(textsOf)));
  const widths = head.map((title, i) => Math.max(displayWidth(title), ...body.map((texts) => displayWidth(texts[i]!))));
  const align: Align[] = ['left', 'left', ...metricNames.map((): Align => 'right')];
  const row = (texts: readonly string[], bold: readonly boolean[] = []): string =>
    `  ${texts
      .map((text, i) => {
        const space = ' '.repeat(widths[i]! - displayWidth(text));
        const shown = bold[i] ? style('bold', text) : text;
        return align[i] === 'left' ? shown + space : space + shown;
      })
      .join('  ')}`.trimEnd();

  const out: string[] = [];
  for (const { id, nId, groups } of summaries) {
    out.push(style('bold', `Known: ${printable(id)}`) + style('dim', images(nId)), style('dim', row(head)));
    for (const { ood, nOod, lines } of groups) {
      out.push(
        ood === null
          ? style('bold', 'Mean over the unknown sets')
          : style('bold', `Unknown: ${printable(ood)}`) + style('dim', images(nOod)),
      );
      for (const line of lines) {
        out.push(row(textsOf(line), [false, false, ...metricNames.map((name) => line.best.has(name))]));
      }
    }
    out.push('');
  }
  const runs = Math.max(
    ...summaries.flatMap(({ groups }) => groups.flatMap(({ lines }) => lines.map((line) => line.runs))),
  );
  out.push(
    style('dim', `In %; ↑ more is better${runs > 1 ? `; mean ± standard deviation over up to ${runs} seeds` : ''}.`),
  );
  return out.join('\n');
}

/** Whether a stream takes colours: it is a terminal and neither NO_COLOR nor TERM=dumb asks for plain text (FORCE_COLOR asks for colours). */
export function supportsColour(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (environment.NO_COLOR) return false; // https://no-color.org: when present and not empty
  const force = environment.FORCE_COLOR;
  if (force !== undefined) return force !== '0' && force !== 'false';
  return stream.isTTY === true && environment.TERM !== 'dumb';
}

/** Columns that a text takes on a terminal: wide East Asian characters and emoji take two. */
export function displayWidth(text: string): number {
  let width = 0;
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** Made on first use: it takes longer than all else that loading this file does. */
let graphemes: Intl.Segmenter | undefined;
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\uff01-\uff60]/u;

function textsOf(line: Line): string[] {
  return [
    printable(line.lacking > 0 ? `${line.label} (n = ${line.runs})` : line.label),
    printable(line.score),
    ...metricNames.map((name) => cellText(line.cells[name])),
  ];
}

function images(count: number | undefined): string {
  return count === undefined ? '' : `  ${count.toLocaleString('en-US')} images`;
}

function escapeStyle(format: 'bold' | 'dim', text: string): string {
  // Whether colours are wanted has been decided by the caller, for the stream that will get them.
  return styleText(format, text, { validateStream: false });
}
