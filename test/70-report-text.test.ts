// Summaries, the terminal table, results.json and results.csv.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { resultsCsv } from '../lib/report/csv.js';
import { parseResults, resultsJson } from '../lib/report/json.js';
import { ROW_KEYS } from '../lib/report/rows.js';
import { saveReport } from '../lib/report/save.js';
import { summarise } from '../lib/report/summary.js';
import { displayWidth, renderTable, supportsColour } from '../lib/report/table.js';
import type { ResultRow } from '../lib/report/types.js';
import { fakeReport } from './fixtures/fakeReport.js';

const directory = mkdtempSync(join(tmpdir(), 'isotorch-report-'));
afterAll(() => rmSync(directory, { recursive: true }));

const row = (change: Partial<ResultRow> = {}): ResultRow => ({
  loss: 'softmax',
  model: 'convnet',
  seed: 1,
  id: 'Fashion-MNIST',
  ood: 'MNIST',
  score: 'mps',
  accuracy: 0.92251,
  auroc: 0.7264,
  tnrAtTpr95: 0.2,
  dtacc: 0.68,
  auprIn: 0.71,
  auprOut: 0.7,
  nId: 10_000,
  nOod: 10_000,
  ...change,
});
const isomax = { loss: 'isomax', score: 'es', accuracy: 0.92034, auroc: 0.915, tnrAtTpr95: 0.6, dtacc: 0.85 };
const four = [row(), row(isomax), row({ ood: 'noise', auroc: 0.8 }), row({ ...isomax, ood: 'noise', auroc: 0.99 })];
const codeOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return 'no error';
};

describe('summary', () => {
  it('averages over sets run by run, and over seeds with the sample deviation', () => {
    const [summary] = summarise([
      row({ seed: 1, auroc: 0.5 }),
      row({ seed: 2, auroc: 0.7 }),
      row({ seed: 1, ood: 'noise', auroc: 0.9 }),
      row({ seed: 2, ood: 'noise', auroc: 0.7 }),
    ]);
    expect(summary!.groups.map(({ ood }) => ood)).toEqual(['MNIST', 'noise', null]);
    const aurocs = summary!.groups.map(({ lines }) => lines[0]!.cells.auroc!);
    expect(aurocs.map(({ mean }) => mean)).toEqual([0.6, 0.8, 0.7].map((mean) => expect.closeTo(mean, 12)));
    // Both runs have the mean 0.7 over the sets, though each set varies.
    expect(aurocs.map(({ deviation }) => deviation)).toEqual(
      [0.1 * Math.SQRT2, 0.1 * Math.SQRT2, 0].map((sd) => expect.closeTo(sd, 12)),
    );
    expect(summary!.groups[0]!.lines[0]!.runs).toBe(2);
  });

  it('shows for each loss the score that goes with it, or the first where that is missing', () => {
    const rows = ['softmax', 'isomax', 'isomaxplus', 'mine'].flatMap((loss) =>
      ['mds', 'es', 'mps'].map((score) => row({ loss, score })),
    );
    const shown = (of: ResultRow[], choice?: 'all') =>
      summarise(of, choice)[0]!.groups[0]!.lines.map(({ score }) => score);
    expect(shown(rows)).toEqual(['mps', 'es', 'mds', 'mds']);
    expect(shown(rows, 'all')).toHaveLength(12);
    expect(shown(rows.filter(({ score }) => score !== 'es'))).toEqual(['mps', 'mds', 'mds', 'mds']);
  });

  it('gives no mean over sets to a line that lacks one of them', () => {
    const groups = summarise([...four, row({ loss: 'isomaxplus', score: 'mds' })])[0]!.groups;
    expect(groups.map(({ lines }) => lines.map(({ loss }) => loss))).toEqual([
      ['softmax', 'isomax', 'isomaxplus'],
      ['softmax', 'isomax'],
      ['softmax', 'isomax'],
    ]);
  });

  it('names the model where there are several and marks the best as printed', () => {
    const lines = summarise([row({ auroc: 0.72641 }), row({ model: 'resnet18', auroc: 0.72643 })])[0]!.groups[0]!.lines;
    expect(lines.map(({ label }) => label)).toEqual(['SoftMax · convnet', 'SoftMax · resnet18']);
    expect(lines.map(({ best }) => best.has('auroc'))).toEqual([true, true]); // both print 72.6
    expect(summarise([row()])[0]!.groups[0]!.lines[0]!.best.size).toBe(0); // alone is not best
  });

  it('keeps known data sets apart', () => {
    expect(summarise([row(), row({ id: 'digits' })]).map(({ id }) => id)).toEqual(['Fashion-MNIST', 'digits']);
  });
});

describe('table', () => {
  it('reads like this', () => {
    expect(`\n${renderTable(four)}\n`).toBe(`
Known: Fashion-MNIST  10,000 images
  loss     score  accuracy ↑  AUROC ↑  TNR@TPR95 ↑  DTACC ↑  AUPR-in ↑  AUPR-out ↑
Unknown: MNIST  10,000 images
  SoftMax  mps          92.3     72.6         20.0     68.0       71.0        70.0
  IsoMax   es           92.0     91.5         60.0     85.0       71.0        70.0
Unknown: noise  10,000 images
  SoftMax  mps          92.3     80.0         20.0     68.0       71.0        70.0
  IsoMax   es           92.0     99.0         60.0     85.0       71.0        70.0
Mean over the unknown sets
  SoftMax  mps          92.3     76.3         20.0     68.0       71.0        70.0
  IsoMax   es           92.0     95.3         60.0     85.0       71.0        70.0

In %; ↑ more is better.
`);
  });

  it('makes the best of each group bold, with colour only', () => {
    const [bold, plain] = [renderTable(four, { colour: true }), renderTable(four)];
    expect(plain).not.toContain('\x1b');
    expect(stripVTControlCharacters(bold)).toBe(plain);
    const line = bold.split('\n').find((text) => text.includes('IsoMax'))!;
    expect(
      line
        .split('\x1b[1m')
        .slice(1)
        .map((part) => part.slice(0, part.indexOf('\x1b[22m'))),
    ).toEqual(['91.5', '60.0', '85.0', '71.0', '70.0']);
  });

  it('shows spread over seeds, missing accuracy, and that there is nothing', () => {
    const text = renderTable([row({ accuracy: null }), row({ accuracy: null, seed: 2, auroc: 0.7464 })]);
    expect(text).toMatch(/SoftMax {2}mps +– {2}73\.6 ± 1\.4/);
    expect(text).toMatch(/over up to 2 seeds/);
    expect(renderTable([])).toBe('No results.');
  });

  it('lets no name move the cursor, and aligns wide letters', () => {
    const text = renderTable([row({ ood: 'a\x1b[2Jb\nc', loss: '損失' }), row({ loss: 'x\u202ey' })]);
    expect(['\x1b', '\u202e'].filter((control) => text.includes(control))).toEqual([]);
    expect(text).toContain('Unknown: a�[2Jb�c');
    const body = text.split('\n').filter((line) => line.includes('mps'));
    expect(new Set(body.map(displayWidth)).size).toBe(1);
    expect(['ab', '損失', 'é', '👩‍🔬'].map(displayWidth)).toEqual([2, 4, 1, 2]);
  });

  it('asks stream and environment for colours', () => {
    const terminal = { isTTY: true };
    expect(supportsColour(terminal, {})).toBe(true);
    expect(supportsColour({}, {})).toBe(false);
    expect(supportsColour(terminal, { NO_COLOR: '1' })).toBe(false);
    expect(supportsColour(terminal, { NO_COLOR: '' })).toBe(true);
    expect(supportsColour(terminal, { TERM: 'dumb' })).toBe(false);
    expect(supportsColour({}, { FORCE_COLOR: '1' })).toBe(true);
    expect(supportsColour(terminal, { FORCE_COLOR: '0' })).toBe(false);
    expect(supportsColour({}, { FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
  });
});

describe('results.json', () => {
  it('comes back as it went, with keys in order and nothing else', () => {
    const { environment, results } = fakeReport({ thin: 100 });
    const text = resultsJson({ environment, results });
    expect(parseResults(text)).toEqual({ environment, results });
    const reordered = results.map((one) => Object.fromEntries(Object.entries({ ...one, extra: 1 }).reverse()) as never);
    expect(resultsJson({ environment, results: reordered })).toBe(text);
    expect(Object.keys(JSON.parse(text).results[0])).toEqual(ROW_KEYS);
  });

  it.each([
    ['{', /not JSON/],
    ['[]', /Expected \{ environment/],
    ['{"environment":{},"results":3}', /Expected \{ environment/],
    ['{"environment":{},"results":[7]}', /results\[0\] but received integer 7/],
    [
      JSON.stringify({ environment: {}, results: [row(), { ...row(), auroc: 1.5 }] }),
      /a number from 0 to 1 for .*results\[1\]\.auroc but received number 1.5/,
    ],
    [JSON.stringify({ environment: {}, results: [{ ...row(), loss: undefined }] }), /\.loss/],
    [JSON.stringify({ environment: {}, results: [{ ...row(), nOod: 0 }] }), /a positive integer for .*\.nOod/],
  ])('refuses %s', (text, message) => {
    expect(() => parseResults(text, 'x.json')).toThrow(message);
    expect(codeOf(() => parseResults(text))).toBe('ERR_FORMAT');
  });

  it('is not written with a figure that is no number', () => {
    expect(codeOf(() => resultsJson({ environment: {}, results: [row({ auroc: Number.NaN })] }))).toBe('ERR_DATA');
  });
});

describe('results.csv', () => {
  it('has a line of names, all digits, and quotes what needs it', () => {
    const text = resultsCsv([row({ id: 'a,"b"\nc', ood: '=1+1', seed: null, accuracy: null, auroc: 1 / 3 })]);
    expect(text).toBe(
      `${ROW_KEYS.join(',')}\r\nsoftmax,convnet,,"a,""b""\nc",'=1+1,mps,,${1 / 3},0.2,0.68,0.71,0.7,10000,10000\r\n`,
    );
  });

  it('has as many fields in every line, whatever the names are', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', '=', ' ') }), (ood) => {
        const text = resultsCsv([row({ ood })]);
        expect(parseCsv(text).map((fields) => fields.length)).toEqual([ROW_KEYS.length, ROW_KEYS.length]);
        expect(parseCsv(text)[1]![4]!.replace(/^'/, '')).toBe(ood);
      }),
    );
  });
});

describe('saving', () => {
  it('writes four files and nothing else, over older ones', async () => {
    const report = fakeReport({ thin: 100 });
    const target = join(directory, 'new', 'run');
    await saveReport(target, { ...report, results: report.results.slice(0, 1) });
    const paths = await saveReport(target, report);
    expect(readdirSync(target).sort()).toEqual(['report.html', 'results.csv', 'results.json', 'results.md']);
    expect(parseResults(readFileSync(paths.json, 'utf8')).results).toEqual(report.results);
    expect(readFileSync(paths.html, 'utf8')).toMatch(/^<!doctype html>/);
  });

  it('keeps the old files when a result is wrong; says where it could not write', async () => {
    const report = fakeReport({ thin: 100 });
    const target = join(directory, 'kept');
    const { json } = await saveReport(target, report);
    const before = readFileSync(json, 'utf8');
    await expect(saveReport(target, { ...report, results: [row({ auroc: 2 })] })).rejects.toMatchObject({
      code: 'ERR_DATA',
    });
    expect(readFileSync(json, 'utf8')).toBe(before);
    const file = join(directory, 'file');
    writeFileSync(file, '');
    await expect(saveReport(join(file, 'run'), report)).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(saveReport('', report)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

/** RFC 4180, as readers of the file do it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let fields: string[] = [];
  for (const match of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    fields.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'));
    if (match[3] === ',') continue;
    rows.push(fields);
    fields = [];
  }
  return rows;
}
