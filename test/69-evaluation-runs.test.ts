// One evaluator: a run goes the way of a manifest, with every detector there is, and both end in the same page, which says what
// it lacks.

import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runManifest } from '../lib/evaluation/execute/execute.js';
import { readManifest } from '../lib/evaluation/manifest/read.js';
import { planManifest } from '../lib/evaluation/plan.js';
import { evaluateRuns, planRuns, type RunsResult } from '../lib/evaluation/runs.js';
import { detectorNames, shapingNames } from '../lib/known/detectors.js';
import { MOST_DRAWN } from '../lib/report/html.js';
import { defaultExperiment, trainExperiment } from '../lib/training/experiment.js';
import { browser, openPage } from './support/browser.js';
import { isotorch } from './support/cli.js';
import { liveTensors } from './support/live.js';
import { makeStudy } from './support/study.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-runs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const all = [...detectorNames, ...shapingNames.map((shaping) => `energy+${shaping}`)];
const measured = all.filter((name) => name !== 'nnguide');
const count = (text: string, part: string | RegExp): number => text.split(part).length - 1;

describe('a run', () => {
  const run = { run: '', checkpoint: 'last' } as const;
  const trained = () => ({ ...run, run: join(folder, 'run') });
  const ood = ['held-out', 'uniform-noise'] as const;
  let result: RunsResult;
  let page: string;
  beforeAll(async () => {
    await trainExperiment(
      { ...defaultExperiment, data: 'digits', loss: 'softmax', classes: [0, 1, 2, 3], validation: 0.2 },
      { out: trained().run, epochs: 6, batchSize: 32, device: 'cpu' },
    );
    const before = await liveTensors();
    const settings = { ood, scores: all, device: 'cpu', out: trained().run } as const;
    result = await evaluateRuns([trained()], settings);
    expect(await liveTensors()).toBe(before);
    page = readFileSync(result.files!.html, 'utf8');
  }, 120_000);

  it('is measured with every detector and every activation shaping', () => {
    expect(all).toHaveLength(37);
    // A hundredth of so few images is less than its hundred neighbours.
    expect(result.failures).toMatchObject([{ job: expect.stringMatching(/\/nnguide$/), code: 'ERR_DATA', rows: 2 }]);
    expect(result.skipped).toEqual([]);
    expect(result.results.map(({ ood: set, score }) => `${set} ${score}`)).toEqual(
      ood.flatMap((set) => measured.map((score) => `${set} ${score}`)),
    );
  });

  it('learns from what was trained on, and calibrates on what was held out', async () => {
    const { networks } = await planRuns([trained()], { ood, scores: ['knn', 'temp-scale'] });
    const [{ train, validation, test }] = networks[0]!.known as [(typeof networks)[0]['known'][0]];
    expect(train!.from).toMatchObject({ part: { which: 'trained', share: 0.2, seed: 0 } });
    expect(validation!.from).toMatchObject({ part: { which: 'held', share: 0.2, seed: 0 } });
    expect(test.from).not.toHaveProperty('part');
  });

  it('leaves results in every form, and does nothing again', async () => {
    const { json, csv, markdown } = result.files!;
    expect(JSON.parse(readFileSync(json, 'utf8')).results).toEqual(result.results);
    expect(readFileSync(csv, 'utf8').split('\r\n')).toHaveLength(1 + 2 * measured.length + 1);
    expect(readFileSync(markdown, 'utf8')).toMatch(/\| SoftMax +\| mahalanobis-ensemble +\|/);
    // Each score is a line of its own, the first of them drawn.
    expect(count(page, /<path class="curve s\d"/)).toBe(2 * MOST_DRAWN);
    expect(page).toContain(`Drawn: the first ${MOST_DRAWN} of ${measured.length}.`);
    const cached = await isotorch(['evaluate', trained().run, '--ood', ...ood, '--score', 'vim', 'temp-scale'], {
      cwd: folder,
    });
    expect(cached).toMatchObject({ code: 0 });
    expect(cached.stdout).toMatch(/SoftMax +vim .*\n +SoftMax +temp-scale /);
  }, 30_000);

  it('refuses what its network rules out, and names that mean nothing', async () => {
    const isomax = join(folder, 'isomax');
    await trainExperiment(
      { ...defaultExperiment, data: 'digits', validation: 0 },
      { out: isomax, epochs: 1, batchSize: 64, device: 'cpu' },
    );
    const options = { ood: ['uniform-noise'], device: 'cpu' } as const;
    const of = (...scores: string[]) => evaluateRuns([{ ...run, run: isomax }], { ...options, scores });
    await expect(of('vim')).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: /^vim needs a last layer w·f \+ b/,
    });
    await expect(of('temp-scale')).rejects.toMatchObject({
      message: expect.stringMatching(/learns from known held-out images/),
    });
    await expect(of('msp')).rejects.toMatchObject({ message: expect.stringMatching(/called `mps` here/) });
    const { results, skipped } = await of('vim', 'es');
    expect(results.map(({ score }) => score)).toEqual(['es']);
    expect(skipped).toMatchObject([{ detector: 'vim' }]);
  }, 60_000);

  browser.it('opens as a page without a word on the console, wide and narrow', () => {
    for (const width of [1280, 360]) {
      const { dom, complaints } = openPage(page, width);
      expect(complaints).toEqual([]);
      expect(count(dom, /<path class="curve s\d" d="M[\d.]+ [\d.]+L/)).toBe(2 * MOST_DRAWN);
    }
  });
});

describe('a manifest', () => {
  it('gets the same page: curves for each set, means over seeds, and what is missing', async () => {
    const detectors = ['mps', 'es', 'vim'];
    const losses = ['softmax', 'softmax', 'isomax', 'softmax'] as const;
    const manifest = await makeStudy(join(folder, 'study'), { losses, detectors });
    truncateSync(join(folder, 'study', 'n3.pt'), 4000);
    const seeded = (await readManifest(manifest)).checkpoints.map((each, i) =>
      i < 2 ? { ...each, name: 'net', seeds: [i] } : each,
    );
    const plan = planManifest({ ...(await readManifest(manifest)), checkpoints: seeded });
    const { outcome, files } = await runManifest(plan);
    expect(outcome.failures.length).toBeGreaterThan(0);
    const page = readFileSync(files.html, 'utf8');
    const text = page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
    // Two networks with figures, three unknown sets.
    expect(count(page, /<path class="curve s\d"/)).toBe(2 * 3);
    expect(text).toMatch(/SoftMax maximum probability [\d.]+ ± [\d.]+ [\d.]+ ± /);
    expect(text).toContain('Drawn: the run with seed ');
    expect(text).toContain('What is missing');
    expect(text).toMatch(/extract\/n3\/known:test \(\d+\): ERR_FORMAT/);
    expect(text).toMatch(/vim on n2, known: needs a last layer w·f \+ b/);
    expect(readFileSync(join(folder, 'study', 'out', 'environment.json'), 'utf8')).toContain('"libtorch"');
    expect(readFileSync(files.json, 'utf8')).not.toContain('"environment"');
  }, 60_000);

  browser.it('opens without a word on the console, wide and narrow', () => {
    const page = readFileSync(join(folder, 'study', 'out', 'report.html'), 'utf8');
    for (const width of [1280, 360]) expect(openPage(page, width).complaints).toEqual([]);
  });
});
