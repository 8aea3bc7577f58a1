// Evaluations at work: the rows are what the functions of `ood` give, what is done isn't done again, damage is mended, and what
// fails takes along only what needs it. The networks are small and random, the images made up.

import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveSafetensors } from '../lib/checkpoint/index.js';
import * as data from '../lib/data/index.js';
import { runManifest } from '../lib/evaluation/execute/execute.js';
import type { ManifestProgress } from '../lib/evaluation/execute/run.js';
import { readManifest } from '../lib/evaluation/manifest/read.js';
import { planManifest } from '../lib/evaluation/plan.js';
import * as losses from '../lib/losses/index.js';
import { convNet } from '../lib/models/index.js';
import * as ood from '../lib/ood/index.js';
import type { Tensor } from '../lib/tensor/index.js';
import { readWeights } from '../lib/training/experiment.js';
import { Lock } from '../lib/training/lock.js';
import { isotorch } from './support/cli.js';
import { killRepeatedly, productsIn } from './support/kills.js';
import { liveTensors } from './support/live.js';
import { classes, makeStudy, writeWeights } from './support/study.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-execute-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = (...parts: string[]): string => join(folder, ...parts);
const planOf = async (manifest: string) => planManifest(await readManifest(manifest));
const run = async (manifest: string, options = {}) => runManifest(await planOf(manifest), options);
const results = ['results.json', 'results.csv', 'results.md'] as const;
const bytesOf = (out: string): string[] => results.map((name) => readFileSync(join(out, name), 'latin1'));
const change = (manifest: string, ...pairs: [string | RegExp, string][]): void =>
  writeFileSync(
    manifest,
    pairs.reduce((text, [from, to]) => text.replace(from, to), readFileSync(manifest, 'utf8')),
  );
/** A labelled set of the study. */
const npy = (study: string, name: string) => ({
  images: path(study, `${name}.npy`),
  labels: path(study, `${name}-labels.npy`),
});
const kinds = (jobs: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const id of jobs) counts[id.split('/')[0]!] = (counts[id.split('/')[0]!] ?? 0) + 1;
  return counts;
};

describe('rows', () => {
  it('are what the functions of ood give', async () => {
    const detectors = ['mps', 'knn: { k: 5 }', 'odin', 'gram', 'energy+react'];
    const manifest = await makeStudy(path('rows'), { losses: ['softmax', 'isomax'], detectors });
    const before = await liveTensors();
    const { outcome, jobs, files } = await run(manifest);
    expect(await liveTensors()).toBe(before);
    expect(outcome.failures).toEqual([]);
    expect(kinds(jobs)).toEqual({ extract: 2 * 5, fit: 2 * 3, score: 2 * 5 * 4, measure: 2 * 5 * 3 });
    expect(JSON.parse(readFileSync(files.json, 'utf8')).results).toHaveLength(outcome.rows.length);

    const at = (name: string): string => path('rows', name);
    using train = await data.fromNpy(npy('rows', 'train'));
    using test = await data.fromNpy(npy('rows', 'test'));
    using u0 = await data.fromNpy({ images: at('u0.npy') });
    using u1 = await data.fromNpy({ images: at('u1.npy') });
    using noise = data.uniformNoise(test.size, { like: test });
    for (const [i, loss] of (['softmax', 'isomax'] as const).entries()) {
      using model = convNet({ numClasses: classes, head: losses.byName(loss).head });
      model.loadStateDict(await readWeights(at(`n${i}.pt`)));
      const scores = [ood.byName('mps'), ood.knn({ k: 5 }), ood.odin(), ood.gram(), ood.byName('energy+react')];
      const transform = (images: Tensor) => data.normalize(images, train.statistics);
      const unknown = { u0, u1, 'uniform-noise': noise };
      const evaluation = await ood.evaluate(model, { id: test, ood: unknown, scores, train, transform });
      for (const expected of evaluation.results) {
        const found = outcome.rows.find(
          ({ network, score, ood: set }) =>
            network === `n${i}` && score.replace('(k=5)', '') === expected.score && set === expected.ood,
        );
        const { network, distance, intervals, profile, ...figures } = found!;
        const score = expected.score === 'knn' ? 'knn(k=5)' : expected.score;
        expect(figures).toEqual({ ...expected, id: 'known', loss, model: 'convnet', score });
        expect(distance).toBe(expected.ood === 'u0' ? 'near' : 'far');
        expect([intervals, profile]).toEqual([null, null]);
      }
    }
  });

  it('have the figures of a profile and intervals where they are asked for', async () => {
    const more = 'profile: openood-1.5\nbootstrap: { resamples: 50, confidence: 0.9 }\n';
    // G-ODIN's head, which no file of arrays can hold, is in nobody's way.
    const manifest = await makeStudy(path('more'), { losses: ['godin'], detectors: ['mls'], more });
    const { outcome, files } = await run(manifest);
    expect(outcome.failures).toEqual([]);
    const [row] = outcome.rows;
    expect(Object.keys(row!.profile!)).toEqual(['FPR@95', 'AUROC', 'AUPR_IN', 'AUPR_OUT']);
    const [low, high] = row!.intervals!.auroc!;
    expect(low).toBeLessThan(row!.auroc);
    expect(high).toBeGreaterThan(row!.auroc);
    expect(readFileSync(files.csv, 'utf8').split('\r\n')[0]).toMatch(
      /,auroc_low,auroc_high,profile FPR@95,profile AUROC,profile AUPR_IN,profile AUPR_OUT$/,
    );
    // Another profile costs no score.
    change(manifest, ['openood-1.5', 'hendrycks']);
    expect(kinds((await run(manifest)).jobs)).toEqual({ measure: 3 });
  });

  it('of arrays are what their files give', async () => {
    const manifest = await makeStudy(path('files'), {
      losses: ['softmax'],
      detectors: ['mls', 'knn: { k: 5 }', 'vim'],
    });
    const images = await run(manifest);
    using model = convNet({ numClasses: classes, head: losses.byName('softmax').head });
    model.loadStateDict(await readWeights(path('files', 'n0.pt')));
    using train = await data.fromNpy(npy('files', 'train'));
    const transform = (pixels: Tensor) => data.normalize(pixels, train.statistics);
    for (const name of ['train', 'test', 'u0']) {
      using set = await (name === 'u0'
        ? data.fromNpy({ images: path('files', 'u0.npy') })
        : data.fromNpy(npy('files', name)));
      const { logits, features, labels, head } = await ood.extract(model, set, { features: true, transform });
      const { weight, bias } = head as ood.AffineHead;
      await saveSafetensors(path('files', 'head.safetensors'), { weight, bias: bias! });
      await ood.writeArrays(path('files', `${name}.npz`), ood.arrays({ logits, features, labels }));
      for (const tensor of [logits, features, labels]) tensor?.dispose();
    }
    writeFileSync(
      path('files', 'arrays.yaml'),
      `name: arrays
arrays:
  - { name: mine, head: head.safetensors, train: train.npz, id: { known: test.npz }, ood: { near: { u0: u0.npz } } }
detectors: [mls, { knn: { k: 5 } }, vim]
out: arrays-out
`,
    );
    const before = await liveTensors();
    const { outcome, jobs } = await run(path('files', 'arrays.yaml'));
    expect(await liveTensors()).toBe(before);
    expect(kinds(jobs)).toMatchObject({ fit: 2, score: 6, measure: 3 });
    for (const row of outcome.rows) {
      const { network, loss, model, distance, ...figures } = row;
      const same = images.outcome.rows.find(({ ood: set, score }) => set === row.ood && score === row.score);
      expect(same).toMatchObject(figures);
      expect([network, loss, model, distance]).toEqual(['mine', 'unnamed', 'mine', 'near']);
    }
    expect(outcome.rows).toHaveLength(3);
  });
});

describe('what is done', () => {
  const detectors = ['mps', 'knn: { k: 5 }', 'odin'];

  it('is not done again', async () => {
    const manifest = await makeStudy(path('again'), { detectors });
    const out = path('again', 'out');
    const first = await run(manifest);
    const bytes = bytesOf(out);
    const timing = readFileSync(join(out, 'timing.json'), 'utf8');
    const again = await run(manifest);
    expect(again.jobs).toEqual([]);
    expect(again.timing).toMatchObject({ done: 0, found: first.jobs.length });
    expect(bytesOf(out)).toEqual(bytes);
    expect(readFileSync(join(out, 'timing.json'), 'utf8')).toBe(timing);

    // Another detector costs no pass; other settings only what they change.
    change(manifest, ['  - odin\n', '  - odin\n  - mls\n']);
    expect(kinds((await run(manifest)).jobs)).toEqual({ score: 8, measure: 6 });
    change(manifest, ['k: 5', 'k: 6']);
    expect(kinds((await run(manifest)).jobs)).toEqual({ fit: 2, score: 8, measure: 6 });
    change(manifest, ['k: 6', 'k: 5'], ['  - mls\n', '']);
    expect((await run(manifest)).jobs).toEqual([]);
    expect(bytesOf(out)).toEqual(bytes);

    // A network with other weights is another network, whatever it is called.
    copyFileSync(path('again', 'n0.pt'), path('again', 'n1.pt'));
    expect((await run(manifest)).jobs).toEqual([]);
    await writeWeights(path('again', 'n1.pt'), 'softmax', 9);
    const { jobs } = await run(manifest);
    expect(kinds(jobs)).toEqual({ extract: 5, fit: 1, score: 12, measure: 9 });
    expect(jobs.every((id) => id.split('/')[1] === 'n1')).toBe(true);
  });

  it('gives the same bytes in any order', async () => {
    const manifest = await makeStudy(path('order'), { detectors });
    const whole = readFileSync(manifest, 'utf8');
    await run(manifest);
    const bytes = bytesOf(path('order', 'out'));
    rmSync(path('order', 'out'), { recursive: true });
    change(manifest, ['  - mps\n', ''], ['{ npy: u0.npy }', '']);
    await run(manifest);
    writeFileSync(manifest, whole);
    expect((await run(manifest)).jobs).not.toHaveLength(0);
    expect(bytesOf(path('order', 'out'))).toEqual(bytes);
  });

  it('is done anew where it was damaged', async () => {
    const manifest = await makeStudy(path('damage'), { losses: ['softmax'], detectors });
    const out = path('damage', 'out');
    const { jobs: all } = await run(manifest);
    const bytes = bytesOf(out);
    const damages: Record<string, (file: string) => void> = {
      'cut off': (file) => truncateSync(file, readFileSync(file).length - 9),
      empty: (file) => writeFileSync(file, ''),
      gone: (file) => rmSync(file),
      'a digit': (file) => {
        const content = readFileSync(file);
        content[content.length - 2]! ^= 1;
        writeFileSync(file, content);
      },
    };
    for (const [name, damage] of Object.entries(damages)) {
      for (const file of productsIn(out)) damage(file);
      expect((await run(manifest)).jobs, name).toEqual(all);
      expect(bytesOf(out), name).toEqual(bytes);
    }
    // Of what is whole nothing is done again: rows need scores, not the passes before them.
    for (const file of productsIn(out)) if (/\/(arrays|rows)\//.test(file)) damages['a digit']!(file);
    const { jobs } = await run(manifest);
    expect(kinds(jobs)).toEqual({ extract: 1, measure: 9 });
    expect(jobs[0]).toBe('extract/n0/known:test');
    expect(bytesOf(out)).toEqual(bytes);
    writeFileSync(join(out, 'work', 'rows', '.left-by-a-kill.tmp'), 'half');
    await run(manifest);
    expect(existsSync(join(out, 'work', 'rows', '.left-by-a-kill.tmp'))).toBe(false);
  });

  it('stays when the work is stopped', async () => {
    const manifest = await makeStudy(path('stop'), { losses: ['softmax'], detectors });
    const controller = new AbortController();
    const seen: string[] = [];
    const onProgress = ({ job, done, total }: ManifestProgress) => {
      if (!seen.includes(job.id)) seen.push(job.id);
      if (seen.length === 12) controller.abort();
      expect(done).toBeLessThan(total);
    };
    const before = await liveTensors();
    await expect(run(manifest, { signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    expect(await liveTensors()).toBe(before);
    const done = productsIn(path('stop', 'out')).length;
    expect(done).toBeGreaterThan(5);
    const { jobs } = await run(manifest);
    expect(jobs).toHaveLength((await planOf(manifest)).networks[0]!.jobs.length - done);
  });

  it('survives kills', async () => {
    const manifest = await makeStudy(path('kills'), { detectors: [...detectors, 'mahalanobis', 'energy+react'] });
    const out = path('kills', 'out');
    await run(manifest);
    const bytes = bytesOf(out);
    const total = productsIn(out).length;
    rmSync(out, { recursive: true });
    await killRepeatedly(manifest, out, 5, total);
    await run(manifest);
    expect(bytesOf(out)).toEqual(bytes);
    expect(productsIn(out)).toHaveLength(total);
  });

  it('belongs to one process at a time', async () => {
    const manifest = await makeStudy(path('lock'), { losses: ['softmax'], detectors: ['mps'] });
    await run(manifest);
    const lock = Lock.acquire(path('lock', 'out', 'evaluation.lock'));
    await expect(run(manifest)).rejects.toThrow(/folder of results is in use by process/);
    lock.release();
    await run(manifest);
  });
});

describe('what fails', () => {
  it('takes along what needs it and nothing else', async () => {
    // Networks that were never trained miss whole classes, which she needs.
    const detectors = ['mps', 'she', 'knn: { k: 5 }'];
    const manifest = await makeStudy(path('fail'), { losses: ['softmax', 'softmax', 'softmax'], detectors });
    truncateSync(path('fail', 'n1.pt'), 4000);
    writeFileSync(path('fail', 'u1.npy'), 'nothing of the kind');
    const said: string[] = [];
    const before = await liveTensors();
    const { outcome, files } = await run(manifest, { log: (message: string) => said.push(message) });
    expect(await liveTensors()).toBe(before);
    const failed = outcome.failures.map(({ job, code, rows }) => [job, code, rows]);
    expect(failed).toEqual(
      expect.arrayContaining([
        ['extract/n0/u1', 'ERR_FORMAT', 3],
        ['fit/n0/known/she', 'ERR_DATA', 2],
        ['extract/n1/known:test', 'ERR_FORMAT', expect.any(Number)],
        ['fit/n2/known/she', 'ERR_DATA', 2],
      ]),
    );
    expect(said.find((line) => line.startsWith('fit/n0/known/she failed: she: '))).toBeDefined();
    const missing = outcome.failures.reduce((sum, { rows }) => sum + rows, 0);
    expect(outcome.rows.length + missing).toBe(3 * 3 * 3);
    expect(outcome.rows.map(({ network, score, ood: set }) => `${network} ${score} ${set}`)).toEqual(
      ['n0', 'n2'].flatMap((network) =>
        ['mps', 'knn(k=5)'].flatMap((score) => ['u0', 'uniform-noise'].map((set) => `${network} ${score} ${set}`)),
      ),
    );
    expect(JSON.parse(readFileSync(files.json, 'utf8')).failures).toHaveLength(failed.length);
    expect(readFileSync(files.markdown, 'utf8')).toContain('knn(k=5)');

    // Mended, only what had failed is done.
    copyFileSync(path('fail', 'n0.pt'), path('fail', 'n1.pt'));
    copyFileSync(path('fail', 'u0.npy'), path('fail', 'u1.npy'));
    const { jobs, outcome: mended } = await run(manifest);
    expect(mended.rows).toHaveLength(2 * 3 * 3);
    expect(jobs.filter((id) => id.startsWith('extract/'))).toEqual([]);
  });
});

describe('isotorch evaluate manifest.yaml', () => {
  it('prints plan and tables, says what failed with 1, and stops with 130', async () => {
    const manifest = await makeStudy(path('cli'), { losses: ['softmax'], detectors: ['mps', 'mls'] });
    const stopped = await isotorch(['evaluate', manifest], {
      onError: (_, child) => child.kill('SIGINT'),
    });
    expect(stopped.code).toBe(130);
    const [, { code, stdout, stderr }] = [stopped, await isotorch(['evaluate', manifest])];
    expect(code).toBe(0);
    expect(stderr).toMatch(/^study: 1 network, 2 detectors, 6 rows of results\n/);
    expect(stderr).toContain(`Results: ${path('cli', 'out', 'results.json')}, results.csv, results.md\n`);
    expect(stdout).toContain(readFileSync(path('cli', 'out', 'results.md'), 'utf8'));
    expect(stdout).toMatch(/^mls +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d +\d+\.\d\d$/m);
    expect(stdout).toMatch(/\d+ jobs in \d+\.\d+ s.*; peak memory \d+ MiB/);

    truncateSync(path('cli', 'n0.pt'), 4000);
    const failed = await isotorch(['evaluate', manifest, '--json']);
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ results: [], failures: expect.any(Array) });
    expect(failed.stderr).toMatch(/jobs failed:\n {2}extract\/n0\/known:test \(\d rows missing\): ERR_FORMAT: /);
  });
});
