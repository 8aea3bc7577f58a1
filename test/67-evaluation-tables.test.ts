// Results of an evaluation as files: means and deviations as one works them out by hand, and the same bytes whatever the order
// in which jobs ended.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkManifest } from '../lib/evaluation/manifest/read.js';
import { layoutOf, planManifest } from '../lib/evaluation/plan.js';
import { resultsCsv } from '../lib/report/csv.js';
import { resultsJson } from '../lib/report/json.js';
import { resultsMarkdown, tablesOf } from '../lib/report/markdown.js';
import { sortRows } from '../lib/report/rows.js';
import type { EvaluationRow, Results } from '../lib/report/types.js';

const row = (change: Partial<EvaluationRow> = {}): EvaluationRow => ({
  ...{ network: 'net-softmax', loss: 'softmax', model: 'net', seed: 0, id: 'known', ood: 'a', distance: 'near' },
  ...{ score: 'mps', accuracy: 0.9, auroc: 0.5, tnrAtTpr95: 0.25, dtacc: 0.6, auprIn: 0.7, auprOut: 0.8 },
  ...{ nId: 100, nOod: 200, intervals: null, profile: null, ...change },
});
const softmax = { network: 'net-softmax', loss: 'softmax', score: 'mps' };
const isomax = { network: 'net-isomax', loss: 'isomax', score: 'es' };
/** Figures of one run against a and b, which are near, and c, which is far. */
const run = (base: Partial<EvaluationRow>, [a, b, c]: readonly [number, number, number]) => [
  row({ ...base, ood: 'a', auroc: a }),
  row({ ...base, ood: 'b', auroc: b }),
  row({ ...base, ood: 'c', auroc: c, distance: 'far' }),
];
const rows = [
  ...run({ ...softmax, seed: 0, accuracy: 0.9 }, [0.5, 0.9, 0.9]),
  ...run({ ...softmax, seed: 1, accuracy: 0.92 }, [0.7, 0.7, 0.8]),
  ...run({ ...isomax, seed: 0, accuracy: 0.91 }, [0.8, 0.6, 0.95]),
  ...run({ ...isomax, seed: 1, accuracy: 0.91 }, [0.9, 0.7, 0.99]),
];
const outcome = {
  ...{ name: 'test', profile: null, bootstrap: { resamples: 10, seed: 0, confidence: 0.95 }, results: rows },
  skipped: [
    { network: 'y', known: 'k', detector: 'vim', reason: 'z' },
    { network: 'x', known: 'k', detector: 'vim', reason: 'z' },
  ],
  failures: [
    { job: 'extract/x/b', code: 'ERR_FILE', message: 'm', rows: 2 },
    { job: 'extract/x/a', code: 'ERR_FILE', message: 'm', rows: 2 },
  ],
} satisfies Results;

describe('tables', () => {
  it('read like this', () => {
    // By hand: a of SoftMax is 0.5 and 0.7, mean 0.6, deviation √(2 · 0.1²) = 0.141; its near means are 0.7 and 0.7. a of
    // IsoMax is 0.8 and 0.9, deviation 0.0707; its near means are 0.7 and 0.8; c is 0.95 and 0.99, deviation 0.0283.
    expect(resultsMarkdown(rows, { title: 'test', metrics: ['auroc'] })).toBe(`# test

## known: accuracy ↑

| network |   accuracy |
|---------|-----------:|
| IsoMax  | 91.0 ± 0.0 |
| SoftMax | 91.0 ± 1.4 |

## known: AUROC ↑

| network | detector |              a |               b |      near mean |              c |
|---------|----------|---------------:|----------------:|---------------:|---------------:|
| IsoMax  | es       | **85.0 ± 7.1** |      65.0 ± 7.1 | **75.0 ± 7.1** | **97.0 ± 2.8** |
| SoftMax | mps      |    60.0 ± 14.1 | **80.0 ± 14.1** |     70.0 ± 0.0 |     85.0 ± 7.1 |

In %; ↑ more is better; the best of a column is bold, – has no figure. Mean ± sample standard deviation (n − 1) over up to 2 seeds. Means over unknown sets are taken within each run first.
`);
  });

  it('have the papers’ spread where asked: the mean of the sets’ own deviations', () => {
    const near = (spread: 'runs' | 'papers') => tablesOf(rows, { spread })[0]!.lines[1]!.cells[2]!;
    expect(near('runs')).toEqual({ mean: expect.closeTo(0.7, 12), deviation: expect.closeTo(0, 12), runs: 2 });
    expect(near('papers')).toEqual({
      mean: expect.closeTo(0.7, 12),
      deviation: expect.closeTo(0.1 * Math.SQRT2, 12),
      runs: 2,
    });
    const text = resultsMarkdown(rows, { spread: 'papers' });
    expect(text).toContain('70.0 ± 14.1');
    expect(text).toMatch(/as the IsoMax papers print it\.\n$/);
  });

  it('have AUROC and TNR@TPR95 by default, for each known set', () => {
    const tables = tablesOf([...rows, row({ id: 'other' })]);
    expect(tables.map(({ known, metric }) => `${known} ${metric}`)).toEqual([
      'known auroc',
      'known tnrAtTpr95',
      'other auroc',
      'other tnrAtTpr95',
    ]);
  });

  it('say where a seed is missing, and give no mean over other sets than the neighbours', () => {
    const text = resultsMarkdown(
      rows.filter(({ network, seed, ood }) => network !== 'net-softmax' || seed !== 1 || ood !== 'a'),
      { metrics: ['auroc'] },
    );
    expect(text).toMatch(/\| SoftMax \| mps +\| +50\.0 \(n = 1\) \| \*\*80\.0 ± 14\.1\*\* \| +– \| +85\.0 ± 7\.1 \|/);
    const without = resultsMarkdown(
      rows.filter(({ network, ood }) => network !== 'net-softmax' || ood !== 'a'),
      { metrics: ['auroc'] },
    );
    expect(without).toMatch(/\| SoftMax \| mps +\| +– \| \*\*80\.0 ± 14\.1\*\* \| +– \|/);
  });

  it('have no ± for a single run, and no bold for a single line', () => {
    const text = resultsMarkdown([row(), row({ ood: 'b' })], { metrics: ['auroc'] });
    expect(text).not.toMatch(/±|\*\*|seeds/);
    expect(text).toMatch(/\| SoftMax \| mps +\| 50\.0 \| 50\.0 \| +50\.0 \|/);
    expect(resultsMarkdown([])).toBe('No results.\n');
    expect(resultsMarkdown([row({ accuracy: null })])).not.toContain('accuracy');
  });

  it('tell networks of one loss apart by their names', () => {
    const lines = tablesOf([row(), row({ network: 'second' }), row({ ...isomax })])[0]!.lines;
    expect(lines.map(({ label }) => label)).toEqual(['IsoMax', 'SoftMax · net-softmax', 'SoftMax · second']);
  });

  it('let no name break them', () => {
    const text = resultsMarkdown([row({ ood: 'a|b\n`c`\x1b', loss: '<b>' })]);
    expect(text).toContain('a\\|b�\\`c\\`�');
    expect(text).toContain('\\<b>');
  });

  it('follow the manifest’s order, near before far', () => {
    const { manifest } = checkManifest(
      'name: x\ntrain: { data: mnist, losses: [softmax, isomax], seeds: [1, 0] }\n' +
        'ood: { near: [notmnist, kmnist], far: [fashion-mnist] }\ndetectors: [mps, energy, es]\n',
    );
    const plan = planManifest(manifest!);
    const planned = plan.networks.flatMap(({ network, known, jobs }) =>
      jobs.flatMap((job) =>
        job.kind === 'measure'
          ? [
              row({
                network: network.name,
                loss: network.loss!,
                seed: network.seed,
                id: known[0]!.name,
                ood: job.ood.name,
                distance: job.distance,
                score: job.detector.label,
              }),
            ]
          : [],
      ),
    );
    expect(planned).toHaveLength(plan.counts.measure);
    const table = tablesOf(planned, { layout: layoutOf(plan) })[0]!;
    expect(table.columns.map(({ title }) => title)).toEqual(['notmnist', 'kmnist', 'near mean', 'fashion-mnist']);
    expect(table.lines.map(({ label, detector }) => `${label} ${detector}`)).toEqual([
      'SoftMax mps',
      'SoftMax energy',
      'SoftMax es',
      'IsoMax mps',
      'IsoMax energy',
      'IsoMax es',
    ]);
    expect(table.lines[0]!.runs).toBe(2);
  });
});

describe('files', () => {
  it('are the same bytes in whatever order rows, failures and keys come', () => {
    const files = (of: Results) => [resultsJson(of), resultsCsv(of.results), resultsMarkdown(of.results)];
    const expected = files(outcome);
    const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length });
    const anyOrder = fc.record({
      results: shuffled(
        rows.map((each) => Object.fromEntries(Object.entries(each).reverse()) as unknown as EvaluationRow),
      ),
      skipped: shuffled(outcome.skipped),
      failures: shuffled(outcome.failures),
    });
    fc.assert(
      fc.property(anyOrder, (parts) => {
        expect(files({ ...outcome, ...parts })).toEqual(expected);
      }),
    );
  });

  it('are this JSON', () => {
    const profile = { 'FPR@95': 0.5, AUTC: null };
    const rows = [row({ intervals: { auroc: [0.4, 0.6] }, profile })];
    const one = resultsJson({ ...outcome, results: rows, skipped: [] });
    expect(JSON.parse(one)).toEqual({
      name: 'test',
      profile: null,
      bootstrap: { resamples: 10, seed: 0, confidence: 0.95 },
      results: [
        {
          ...{
            network: 'net-softmax',
            distance: 'near',
            loss: 'softmax',
            model: 'net',
            seed: 0,
            id: 'known',
            ood: 'a',
          },
          ...{ score: 'mps', accuracy: 0.9, auroc: 0.5, tnrAtTpr95: 0.25, dtacc: 0.6, auprIn: 0.7, auprOut: 0.8 },
          ...{ nId: 100, nOod: 200, intervals: { auroc: [0.4, 0.6] }, profile },
        },
      ],
      skipped: [],
      failures: [
        { job: 'extract/x/a', code: 'ERR_FILE', message: 'm', rows: 2 },
        { job: 'extract/x/b', code: 'ERR_FILE', message: 'm', rows: 2 },
      ],
    });
    expect(one).toMatch(/^\{\n {2}"name": "test"/);
  });

  it('are this CSV, with columns for intervals and profiles where there are any', () => {
    expect(resultsCsv([row({ auroc: 1 / 3 })])).toBe(
      'network,distance,loss,model,seed,id,ood,score,accuracy,auroc,tnrAtTpr95,dtacc,auprIn,auprOut,nId,nOod\r\n' +
        'net-softmax,near,softmax,net,0,known,a,mps,0.9,0.3333333333333333,0.25,0.6,0.7,0.8,100,200\r\n',
    );
    const lines = resultsCsv([row({ intervals: { auroc: [0.4, 0.6] } }), row({ ood: 'b' })]).split('\r\n');
    expect(lines[0]).toMatch(/nOod,auroc_low,auroc_high$/);
    expect(lines[1]).toMatch(/,200,0\.4,0\.6$/);
    expect(lines[2]).toMatch(/,200,,$/);
    const peers = resultsCsv([row({ profile: { 'FPR@95': 0.5, AUTC: null } }), row({ ood: 'b' })]).split('\r\n');
    expect(peers[0]).toMatch(/nOod,profile FPR@95,profile AUTC$/);
    expect(peers[1]).toMatch(/,200,0\.5,$/);
    expect(peers[2]).toMatch(/,200,,$/);
  });

  it('order seeds as numbers', () => {
    const seeds = [10, 9, null, 1].map((seed) => row({ seed }));
    expect(sortRows(seeds).map(({ seed }) => seed)).toEqual([null, 1, 9, 10]);
  });

  it.each<[string, EvaluationRow[]]>([
    ['two rows about one thing', [row(), row({ auroc: 0.6 })]],
    ['NaN', [row({ auroc: Number.NaN })]],
    ['another distance', [row({ distance: 'middle' as 'near' })]],
    ['bounds the wrong way round', [row({ intervals: { auroc: [0.6, 0.4] } })]],
  ])('refuse %s', (_, bad) => {
    expect(() => resultsCsv(bad)).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
  });
});
