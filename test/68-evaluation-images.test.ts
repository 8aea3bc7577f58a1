// The sets of images that a manifest can refer to, and networks that the evaluation trains itself.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as data from '../lib/data/index.js';
import { runManifest } from '../lib/evaluation/execute/execute.js';
import { ImageSets } from '../lib/evaluation/execute/images.js';
import { checkManifest, readManifest } from '../lib/evaluation/manifest/read.js';
import type { DataReference } from '../lib/evaluation/manifest/types.js';
import { planManifest } from '../lib/evaluation/plan.js';
import { liveTensors } from './support/live.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-execute-images-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (...parts: string[]): string => join(folder, ...parts);

const [{ file: png }] = JSON.parse(readFileSync(new URL('./fixtures/pngs.json', import.meta.url), 'utf8')) as [
  { file: string },
];

/** The known test set and an unknown one as a manifest would write them. */
function references(unknown: string): { test: DataReference; unknown: DataReference } {
  const { manifest, mistakes } = checkManifest(
    `name: a
checkpoints: [{ weights: a.pt, model: convnet, loss: softmax, normalize: { mean: [0], std: [1] } }]
id: { name: known, test: { set: digits, classes: [0, 1, 2, 3] } }
ood: { far: [${unknown}] }
detectors: [mps]
`,
    { base: folder },
  );
  expect(mistakes).toEqual([]);
  const [{ test, ood }] = manifest!.id as [(typeof manifest & object)['id'][number]];
  return { test, unknown: ood.far[0]! };
}

async function load(unknown: string, use: (set: data.ImageDataset, test: data.ImageDataset) => Promise<void> | void) {
  const { test, unknown: from } = references(unknown);
  using images = new ImageSets({ device: 'cpu' });
  const known = await images.get({ from: test, after: null, like: test, labelled: true });
  const after = from.source.kind === 'synthetic' ? test : null;
  const request = { from, after, like: test, labelled: false };
  const set = await images.get(request);
  expect(set.labels).toBe(null);
  expect(set.shape).toEqual(known.shape);
  expect(await images.about(request)).toMatchObject({ hash: await set.hashContent(), shape: [1, 8, 8] });
  await use(set, known);
}

/** The same pixels. */
async function same(set: data.ImageDataset, expected: data.ImageDataset): Promise<void> {
  using plain = expected.unlabelled();
  expect(await set.hashContent()).toBe(await plain.hashContent());
  expected.dispose();
}

describe('sets', () => {
  it.each<[string, (known: data.ImageDataset) => Promise<data.ImageDataset> | data.ImageDataset]>([
    ['uniform-noise', (known) => data.uniformNoise(known.size, { like: known })],
    ['gaussian-noise', (known) => data.gaussianNoise(known.size, { like: known })],
    ['pixel-shuffled', (known) => data.pixelShuffled(known)],
    [
      '{ name: t, set: digits, split: train, classes: [5, 4] }',
      async () => {
        using train = await data.digits({ split: 'train' });
        return train.onlyClasses([4, 5]);
      },
    ],
    [
      '{ name: t, set: digits, split: train, rows: [10, 200], classes: [7, 8] }',
      async () => {
        using train = await data.digits({ split: 'train' });
        using some = train.subset(Array.from({ length: 190 }, (_, i) => 10 + i));
        return some.onlyClasses([7, 8]);
      },
    ],
  ])('%s', async (text, expected) => {
    const before = await liveTensors();
    await load(text, async (set, known) => await same(set, await expected(known)));
    expect(await liveTensors()).toBe(before);
  });

  it('of files and folders are made to fit', async () => {
    for (const name of ['a', 'b']) {
      mkdirSync(path('pictures', name), { recursive: true });
      writeFileSync(path('pictures', name, '1.png'), Buffer.from(png, 'base64'));
    }
    await load('{ folder: pictures }', async (set, known) => {
      using pictures = await data.imageFolder(path('pictures'));
      await same(set, data.asLike(pictures, known));
      expect(set.size).toBe(2);
    });
    // An IDX file: two images of 8 × 8.
    const header = Buffer.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8]);
    writeFileSync(path('some.idx'), Buffer.concat([header, Buffer.alloc(128, 7)]));
    await load('{ idx: some.idx }', async (set) => {
      await same(set, await data.fromIdx({ images: path('some.idx') }));
    });
  });
});

describe('training', () => {
  const manifest = (epochs: number): string =>
    `name: trained
train: { data: digits, losses: [softmax], seeds: [3], epochs: ${epochs}, classes: [0, 1, 2] }
id: { name: known, train: { set: digits, classes: [0, 1, 2] }, test: { set: digits, classes: [0, 1, 2] } }
ood: { near: [{ name: held-out, set: digits, classes: [7, 8, 9] }] }
detectors: [mps, mahalanobis]
out: out
`;
  const run = async (text: string, options = {}) => {
    writeFileSync(path('trained.yaml'), text);
    return await runManifest(planManifest(await readManifest(path('trained.yaml'))), options);
  };
  const network = 'convnet-softmax-s3';

  it('goes on where it was stopped, is done once, and anew with other settings', async () => {
    const controller = new AbortController();
    // Long enough to be told of before it ends.
    const stopped = run(manifest(20), {
      signal: controller.signal,
      onProgress: ({ training }: { training: unknown }) => training && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const linesOf = (): string[] =>
      readFileSync(path('out', 'runs', network, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n');
    expect(linesOf().length).toBeLessThan(20);
    const [first] = linesOf();
    const { jobs, outcome } = await run(manifest(20));
    expect(jobs[0]).toBe(`train/${network}`);
    expect(outcome.failures).toEqual([]);
    const results = readFileSync(path('out', 'results.json'), 'utf8');
    expect(linesOf()).toHaveLength(20);
    // It began once. The line is empty where it was stopped in its first epoch.
    expect(linesOf()[0]).toContain(first!);
    const [row] = outcome.rows;
    expect(row).toMatchObject({ network: 'convnet-softmax', loss: 'softmax', seed: 3, id: 'known', ood: 'held-out' });
    expect(row!.accuracy).toBeGreaterThan(0.8);
    expect(row!.nId).toBeLessThan(150);

    expect((await run(manifest(20))).jobs).toEqual([]);
    expect(readFileSync(path('out', 'results.json'), 'utf8')).toBe(results);

    const said: string[] = [];
    const changed = await run(manifest(1), { log: (line: string) => said.push(line) });
    expect(changed.jobs[0]).toBe(`train/${network}`);
    expect(said[0]).toMatch(/other settings, which is now in .*convnet-softmax-s3~1$/);
    expect(existsSync(path('out', 'runs', `${network}~1`, 'config.json'))).toBe(true);
  }, 120_000);

  it('is not needed where there is a run directory', async () => {
    const trained = await run(manifest(1));
    const ofRun = await run(
      manifest(1)
        .replace(/^train:.*$/m, `checkpoints: [{ name: old, run: out/runs/${network} }]`)
        .replace('out: out', 'out: other'),
    );
    expect(ofRun.outcome.failures).toEqual([]);
    expect(ofRun.outcome.rows).toEqual(trained.outcome.rows.map((row) => ({ ...row, network: 'old' })));
  });
});
