// Experiments by name: what was trained can be rebuilt from its directory and measured, and the quickstart is three of them
// that differ in nothing but the loss.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTorch, saveNpy, saveTorch } from '../lib/checkpoint/index.js';
import * as data from '../lib/data/index.js';
import { ImageSets } from '../lib/evaluation/execute/images.js';
import type { DataReference } from '../lib/evaluation/manifest/types.js';
import { type QuickstartResult, quickstart } from '../lib/evaluation/quickstart.js';
import { type EvaluateRunsOptions, evaluateRuns, type Trained } from '../lib/evaluation/runs.js';
import { setsAtHand, unknownSet } from '../lib/evaluation/unknownSets.js';
import { dataSetNames } from '../lib/known/dataSets.js';
import { lossNames, quickstartLosses } from '../lib/known/losses.js';
import { unknownNames } from '../lib/known/unknownSets.js';
import * as losses from '../lib/losses/index.js';
import { parseResults, type ResultRow } from '../lib/report/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { defaultExperiment, type Experiment, makeModel, trainExperiment } from '../lib/training/experiment.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-experiment-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const digits: Experiment = {
  ...defaultExperiment,
  data: 'digits',
  classes: [0, 1, 2, 3, 4, 5, 6],
  validation: 0.1,
  seed: 3,
};

const evaluateRun = (trained: Trained, options?: EvaluateRunsOptions) => evaluateRuns([trained], options);

describe('names', () => {
  it('are those that the rooms below know', () => {
    expect(lossNames).toEqual(losses.lossNames);
    expect([...dataSetNames].sort()).toEqual([...data.names].sort());
  });
});

describe('trainExperiment and evaluateRuns', () => {
  const out = () => join(folder, 'run');
  beforeAll(async () => {
    await trainExperiment(digits, { out: out(), epochs: 12, batchSize: 32, device: 'cpu' });
  });

  it('rebuilds the network from the directory alone', async () => {
    const evaluation = await evaluateRun(
      { run: out(), checkpoint: 'last' },
      { ood: ['held-out', 'uniform-noise'], scores: ['es', 'mps'], device: 'cpu' },
    );
    for (const { loss, model, seed, id } of evaluation.results)
      expect({ loss, model, seed, id }).toEqual({ loss: 'isomax', model: 'convnet', seed: 3, id: 'digits' });
    expect(evaluation.results.map(({ ood, score }) => `${ood} ${score}`)).toEqual([
      'held-out es',
      'held-out mps',
      'uniform-noise es',
      'uniform-noise mps',
    ]);
    const [row] = evaluation.results;
    const { test } = await data.digits();
    const known = test.labelArray().filter((label) => label <= 6).length;
    expect([row!.nId, row!.nOod]).toEqual([known, test.size - known]);
    expect(row!.accuracy).toBeGreaterThan(0.9);
    expect(row!.auroc).toBeGreaterThan(0.8);
  });

  it('gives the same figures from the weights alone, when told what they are', async () => {
    const options = { ood: ['held-out', 'gaussian-noise'], device: 'cpu' } as const;
    const fromRun = await evaluateRun({ run: out(), checkpoint: 'last' }, options);
    const file = join(out(), 'checkpoints', 'last.pt');
    const fromFile = await evaluateRun({ weights: file, experiment: digits }, options);
    expect(fromFile.results).toEqual(fromRun.results.map((row) => ({ ...row, seed: null })));
    expect(fromRun.results).toHaveLength(6);
    // As PyTorch's users also save it.
    const wrapped = join(folder, 'wrapped.pth');
    await saveTorch(wrapped, { epoch: 12, state_dict: await loadTorch(file) });
    const fromWrapped = await evaluateRun({ weights: wrapped, experiment: digits }, options);
    expect(fromWrapped.results).toEqual(fromFile.results);
  });

  it('takes the best weights when asked to', async () => {
    const evaluation = await evaluateRun(
      { run: out(), checkpoint: 'best' },
      { ood: ['uniform-noise'], scores: ['es'], device: 'cpu' },
    );
    expect(evaluation.results).toHaveLength(1);
  });

  it('says what is missing in a run', async () => {
    await expect(evaluateRun({ run: join(folder, 'none'), checkpoint: 'last' })).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
    const copy = join(folder, 'no-best');
    cpSync(out(), copy, { recursive: true });
    rmSync(join(copy, 'checkpoints', 'best.pt'));
    await expect(evaluateRun({ run: copy, checkpoint: 'best' })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/no checkpoint best\.pt.*validation/),
    });
    await expect(
      evaluateRun({ weights: join(out(), 'checkpoints', 'last.pt'), experiment: { ...digits, classes: null } }),
    ).rejects.toMatchObject({ code: 'ERR_STATE_DICT' });
  });

  it('stops before the next batch on an abort', async () => {
    const evaluation = evaluateRun({ run: out(), checkpoint: 'last' }, { signal: AbortSignal.abort() });
    await expect(evaluation).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('the relatives of IsoMax', () => {
  it('train by name, DisMax on mosaics, and are evaluated from their run', async () => {
    for (const loss of ['dismax', 'logitnorm', 'godin'] as const) {
      const out = join(folder, loss);
      const { epochs } = await trainExperiment(
        { ...digits, loss },
        { out, epochs: 6, batchSize: 32, lr: 0.02, device: 'cpu' },
      );
      expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
      const trained = { run: out, checkpoint: 'last' } as const;
      const { results } = await evaluateRun(trained, { ood: ['uniform-noise'], device: 'cpu' });
      expect(results.map((row) => row.score)).toEqual(['mps', 'es', 'mds', ...(loss === 'dismax' ? ['mmles'] : [])]);
      expect(results[0]!.accuracy).toBeGreaterThan(0.8);
    }
  });
});

describe('networks for different losses', () => {
  it('start from the same features, and from the seed alone', async () => {
    const { test } = await data.digits();
    const weights = lossNames.map((loss) => {
      const state = makeModel({ model: 'convnet', loss, seed: 11 }, test, 'cpu').stateDict();
      return [...state].filter(([key]) => key.startsWith('body.')).map(([key, tensor]) => [key, tensor.tolist()]);
    });
    expect(weights[0]!.length).toBe(30); // 5 × (convolution + batch norm's five)
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[2]).toEqual(weights[0]);
    torch.randn([100]);
    const first = ({ seed }: { seed: number }) =>
      (
        makeModel({ model: 'convnet', loss: 'softmax', seed }, test, 'cpu').stateDict().get('body.0.weight') as Tensor
      ).tolist();
    expect(first({ seed: 11 })).toEqual(weights[0]![0]![1]);
    expect(first({ seed: 12 })).not.toEqual(weights[0]![0]![1]);
  });

  it('refuses a network that is not known', async () => {
    const { test } = await data.digits();
    const refusal = expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('convnet') as string,
    });
    expect(() => makeModel({ model: 'vgg' as 'convnet', loss: 'isomax', seed: 0 }, test, 'cpu')).toThrow(refusal);
  });
});

describe('unknown sets', () => {
  it('fit the known images, whatever they are', async () => {
    const like = data.ImageDataset.fromArrays({
      images: new Uint8Array(5 * 3 * 12 * 12).map((_, i) => i % 251),
      shape: [5, 3, 12, 12],
      labels: [0, 1, 0, 1, 0],
      name: 'colour',
    });
    const file = join(folder, 'colour.npy');
    await saveNpy(file, like.images);
    const of: DataReference = {
      name: 'colour',
      source: { kind: 'npy', path: file, labels: null },
      classes: null,
      rows: null,
    };
    using sets = new ImageSets({ device: 'cpu' });
    for (const name of ['digits', 'uniform-noise', 'gaussian-noise', 'pixel-shuffled'] as const) {
      const from = unknownSet(name, { data: 'fashion-mnist', classes: null });
      const set = await sets.get({ from, after: of, like: of, labelled: false });
      expect(set.shape, name).toEqual([3, 12, 12]);
      expect(set.size, name).toBe(name === 'digits' ? 1797 : 5);
    }
  });

  it('are never the known set, nor one that shows the same things', async () => {
    const known = { data: 'digits', classes: null } as const;
    const refusal = (message: string) =>
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(message) });
    expect(() => unknownSet('digits', known)).toThrow(refusal('known data set'));
    expect(() => unknownSet('held-out', known)).toThrow(refusal('held out'));
    expect(() => unknownSet('cats' as 'digits', known)).toThrow(refusal(unknownNames.join(', ')));
    const forDigits = await setsAtHand({ data: 'digits', classes: [0, 1] });
    expect(forDigits).toContain('held-out');
    expect(forDigits).not.toContain('digits');
    expect(forDigits).not.toContain('mnist');
    expect(await setsAtHand({ data: 'fashion-mnist', classes: null })).toEqual(
      expect.arrayContaining(['digits', 'uniform-noise']),
    );
  });
});

describe('quickstart on the digits', () => {
  const options = { data: 'digits', epochs: 4, seed: 1, device: 'cpu' } as const;
  const rows = (out: string) => parseResults(readFileSync(join(out, 'results.json'), 'utf8')).results;
  let whole: Extract<QuickstartResult, { stopped: false }>;
  beforeAll(async () => {
    const result = await quickstart({ ...options, out: join(folder, 'whole') });
    if (result.stopped) throw new Error('stopped by nobody');
    whole = result;
  });

  it('writes one row for each loss, unknown set and score, and a page', () => {
    const out = join(folder, 'whole');
    const sets = ['held-out', 'uniform-noise', 'gaussian-noise', 'pixel-shuffled'];
    const keys = ['softmax', 'isomax', 'isomaxplus'].flatMap((loss) =>
      sets.flatMap((ood) => ['mps', 'es', 'mds'].map((score) => `${loss} ${ood} ${score}`)),
    );
    expect(rows(out).map(({ loss, ood, score }) => `${loss} ${ood} ${score}`)).toEqual(keys);
    expect(rows(out)).toEqual(whole.results);
    expect(rows(out)[0]).toMatchObject({ model: 'convnet', seed: 1, id: 'digits' });
    expect(readFileSync(whole.paths.html, 'utf8')).toMatch(/<html/);
    for (const loss of quickstartLosses) expect(existsSync(join(out, loss, 'checkpoints', 'last.pt'))).toBe(true);
    const json = JSON.parse(readFileSync(whole.paths.json, 'utf8'));
    expect(json.environment).toMatchObject({ node: process.versions.node, device: 'cpu' });
  });

  it('tells the effect as the rows have it', () => {
    const mean = (loss: string, score: string) => {
      const own = whole.results.filter((row: ResultRow) => row.loss === loss && row.score === score);
      return own.reduce((sum, { auroc }) => sum + auroc, 0) / own.length;
    };
    expect(whole.effect.softmax.auroc).toBeCloseTo(mean('softmax', 'mps'), 12);
    expect(whole.effect.isomax.auroc).toBeCloseTo(mean('isomax', 'es'), 12);
    expect(whole.effect.isomax.accuracy).toBe(whole.results.find(({ loss }) => loss === 'isomax')!.accuracy);
  });

  it('trains the three on nothing different but the loss', () => {
    const configs = quickstartLosses.map((loss) =>
      JSON.parse(readFileSync(join(folder, 'whole', loss, 'config.json'), 'utf8')),
    );
    for (const [i, loss] of quickstartLosses.entries())
      expect(configs[i]).toEqual({ ...configs[0], experiment: { ...configs[0].experiment, loss } });
  });

  it('goes on after a stop in any of its parts, to the same results', async () => {
    const out = join(folder, 'stopped');
    let resume = false;
    // In the first loss, in the second, in the evaluation; then to the end.
    const stops: ((what: string) => boolean)[] = [
      (what) => what === 'softmax 2',
      (what) => what === 'isomax 3',
      (what) => what === 'evaluate isomaxplus',
      () => false,
    ];
    for (const [i, stop] of stops.entries()) {
      const controller = new AbortController();
      const at = (what: string) => stop(what) && controller.abort();
      const begun: string[] = [];
      const result = await quickstart({
        ...options,
        out,
        resume,
        signal: controller.signal,
        onEpoch: ({ epoch }, loss) => {
          begun.push(loss);
          at(`${loss} ${epoch}`);
        },
        onEvaluate: (_, loss) => at(`evaluate ${loss}`),
      });
      expect(result.stopped, `part ${i}`).toBe(i < 3);
      expect(existsSync(join(out, 'results.json'))).toBe(i === 3);
      if (i === 1) expect(new Set(begun)).toEqual(new Set(['softmax', 'isomax'])); // it did not begin anew
      resume = true;
    }
    expect(rows(out)).toEqual(rows(join(folder, 'whole')));
  });

  it('begins anew by default, and leaves no old result beside a new run that is not done', async () => {
    const out = join(folder, 'again');
    cpSync(join(folder, 'whole'), out, { recursive: true });
    const stopped = await quickstart({ ...options, out, signal: AbortSignal.abort() });
    expect(stopped).toEqual({ stopped: true });
    expect(readdirSync(out).filter((name) => /results|report/.test(name))).toEqual([]);
    expect(existsSync(join(out, 'isomax', 'config.json'))).toBe(false);
  });

  it('has nothing to resume where nothing was begun', async () => {
    const result = quickstart({ ...options, out: join(folder, 'nothing'), resume: true });
    await expect(result).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('runs on the digits, saying so, where Fashion-MNIST cannot be had', async () => {
    const said: string[] = [];
    const { PATH, ISOTORCH_HOME, ISOTORCH_DATA } = process.env;
    // No cache, no apt-get on the PATH, no network.
    const { fetch } = globalThis;
    globalThis.fetch = () => Promise.reject(new TypeError('no network in this test'));
    Object.assign(process.env, { PATH: '', ISOTORCH_HOME: join(folder, 'empty-home') });
    delete process.env.ISOTORCH_DATA;
    try {
      const out = join(folder, 'fallback');
      const debian = existsSync('/usr/share/datasets/fashion-mnist');
      const result = await quickstart({
        out,
        epochs: 1,
        device: 'cpu',
        log: (text) => said.push(text),
        signal: AbortSignal.abort(),
      });
      expect(result).toEqual({ stopped: true });
      if (!debian) {
        expect(said.join('\n')).toMatch(/Fashion-MNIST.*not on this machine.*optical digits/s);
        expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).experiment.data).toBe('digits');
      }
    } finally {
      globalThis.fetch = fetch;
      Object.assign(process.env, {
        PATH,
        ...(ISOTORCH_HOME && { ISOTORCH_HOME }),
        ...(ISOTORCH_DATA && { ISOTORCH_DATA }),
      });
      if (!ISOTORCH_HOME) delete process.env.ISOTORCH_HOME;
    }
  });
});
