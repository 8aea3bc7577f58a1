// The guard: verdicts with reasons, the same ones after a round trip through its file bit for bit, and files that were
// damaged or tampered with refused with a reason.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSafetensors, saveSafetensors } from '../lib/checkpoint/index.js';
import { ImageDataset } from '../lib/data/index.js';
import { byName } from '../lib/losses/index.js';
import { convNet } from '../lib/models/index.js';
import {
  type Arrays,
  arrays,
  byName as detectorByName,
  entropic,
  evaluate,
  type FittedDetector,
  fitThreshold,
  fitThresholdFromArrays,
  Guard,
  learns,
  minDistance,
  needed,
} from '../lib/ood/index.js';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { liveTensors } from './support/live.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-guard-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kept = (make: () => Tensor): Tensor => tidy(make).keep();

/** Logits of known images: one class stands out. Of `strength` 0 none does. */
function logitsOf(rows: number, seed: number, strength = 4): { logits: Tensor; labels: Tensor } {
  torch.manualSeed(seed);
  const labels = kept(() => torch.randint(3, [rows], { dtype: 'int64' }));
  const logits = kept(() => torch.randn([rows, 3]).add(torch.oneHot(labels, 3), { alpha: strength }));
  return { logits, labels };
}

function images(rows: number, seed: number): ImageDataset<Tensor> {
  torch.manualSeed(seed);
  const [pixels, labels] = [
    kept(() => torch.randint(256, [rows, 1, 8, 8], { dtype: 'int64' }).to('uint8')),
    kept(() => torch.randint(3, [rows], { dtype: 'int64' })),
  ];
  return new ImageDataset({ images: pixels, labels, classes: ['cat', 'dog', 'horse'], name: 'pets' });
}

/** A detector that learns: minus the distance to the mean of the training logits. */
function centred(): FittedDetector {
  let mean: Tensor | undefined;
  const learnt = (): Tensor => {
    if (!mean) throw new Error('not fitted');
    return mean;
  };
  return {
    name: 'centred',
    settings: { power: 2 },
    needs: ['logits'],
    learnsFrom: ['logits'],
    get isFitted() {
      return mean !== undefined;
    },
    score: (given) => needed(given, ['logits'], 'centred').logits.to('float64').sub(learnt()).norm(2, [1]).neg(),
    async fit(training) {
      mean = kept(() => (training as Arrays).logits!.to('float64').mean([0]));
    },
    state: () => ({ mean: learnt() }),
    load(state) {
      mean?.dispose();
      mean = kept(() => state.mean!.clone());
    },
    dispose: () => mean?.dispose(),
  };
}

describe('verdicts', () => {
  it('say label, probability, score and why, and leave nothing behind', async () => {
    const { logits, labels } = logitsOf(400, 1);
    const before = await liveTensors();
    const guard = await fitThresholdFromArrays(arrays({ logits, labels }), {
      score: entropic(),
      accept: 0.9,
      classes: ['cat', 'dog', 'horse'],
      calibrate: 'nll',
    });
    expect(guard.threshold).toMatchObject({ n: 400, accept: 0.9, achieved: 0.9, warning: null });
    expect(guard.calibration).toMatchObject({ by: 'nll', n: 400 });
    expect(guard.calibration!.nll.after).toBeLessThan(guard.calibration!.nll.before);
    using known = torch.tensor([
      [0, 0, 9],
      [0, 0, 0],
      [Number.NaN, 0, 1],
    ]);
    const verdicts = await guard.judgeArrays(arrays({ logits: known }));
    expect(verdicts).toMatchObject([
      { label: 'horse', accepted: true, why: /within the threshold that keeps 90 % of known images/ },
      { label: 'cat', accepted: false, why: 'entropy above the threshold that keeps 90 % of known images' },
      { accepted: false, score: Number.NaN, why: /score es is no finite number/ },
    ]);
    expect(verdicts[1]!.score).toBeCloseTo(-Math.log(3), 14);
    expect(verdicts[1]!.probability).toBeCloseTo(1 / 3, 14);
    const { temperature } = guard.calibration!;
    expect(verdicts[0]!.probability).toBeCloseTo(1 / (1 + 2 * Math.exp(-9 / temperature)), 12);
    expect(Object.keys(verdicts[0]!)).toEqual(['label', 'probability', 'accepted', 'score', 'why']);
    expect(await liveTensors()).toBe(before + 1); // `known`
    for (const tensor of [logits, labels]) tensor.dispose();
  });

  it('never accept a score that is infinite', async () => {
    const { logits } = logitsOf(100, 2);
    const guard = await fitThresholdFromArrays(arrays({ logits }), { score: minDistance() });
    using broken = torch.tensor([[Number.POSITIVE_INFINITY, 0, 0]]);
    expect(await guard.judgeArrays(arrays({ logits: broken }))).toMatchObject([{ accepted: false, why: /no finite/ }]);
  });

  it('come without label and probability where there are no logits', async () => {
    const byFeatures = {
      ...minDistance(),
      needs: ['features'] as const,
      score: (given: Arrays) => given.features!.to('float64').select(1, 0).clone(),
    };
    using features = tidy(() => torch.arange(40).to('float32').unsqueeze(1)).keep();
    const guard = await fitThresholdFromArrays(arrays({ features }), { score: byFeatures });
    const verdicts = await guard.judgeArrays(arrays({ features }));
    expect(verdicts).toHaveLength(40);
    expect(verdicts[1]).toMatchObject({ label: null, probability: null, accepted: false, score: 1 });
    expect(verdicts.filter(({ accepted }) => accepted)).toHaveLength(38);
  });

  it('of fresh known data are accepted as often as the interval says', async () => {
    const { logits: many } = logitsOf(200_000, 3);
    let within = 0;
    for (let round = 0; round < 40; round++) {
      const { logits, labels } = logitsOf(300, 100 + round);
      const guard = await fitThresholdFromArrays(arrays({ logits }), { score: entropic(), confidence: 0.9 });
      const { value, acceptance } = guard.threshold;
      const rate = tidy(() =>
        entropic()
          .score(arrays({ logits: many }))
          .ge(value)
          .to('float64')
          .mean()
          .item(),
      );
      if (acceptance.lower <= rate && rate <= acceptance.upper) within++;
      for (const tensor of [logits, labels]) tensor.dispose();
    }
    expect(within).toBeGreaterThanOrEqual(32); // of 40 at 0.9: fewer than 32 in 1.5 % of all seeds, and the seeds are fixed
    many.dispose();
  });
});

describe('with a network', () => {
  it('judges images as the arrays of the same network, several calls at once, before and after a round trip', async () => {
    const [set, fresh] = [images(120, 4), images(300, 5)];
    torch.manualSeed(6);
    const model = convNet({ inChannels: 1, numClasses: 3, head: byName('isomax').head });
    const before = await liveTensors();
    const guard = await fitThreshold(model, set, { score: entropic(), normalize: set.statistics, about: { run: 'x' } });
    expect(guard).toMatchObject({ classes: ['cat', 'dog', 'horse'], imageShape: [1, 8, 8], about: { run: 'x' } });
    const [verdicts, first] = await Promise.all([guard.judge(fresh.images), guard.judge(fresh.images)]);
    expect(first).toEqual(verdicts);
    expect(verdicts).toHaveLength(300);
    expect(model.training).toBe(true);

    const path = join(folder, 'pets.safetensors');
    await guard.save(path);
    const loaded = await Guard.load(path, { model });
    expect(await loaded.judge(fresh.images)).toEqual(verdicts);
    guard.dispose();
    loaded.dispose();
    await expect((await Guard.load(path)).judge(fresh.images)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: /without a network.*Guard\.load\(path, \{ model \}\)/,
    });
    expect((await liveTensors()) - before).toBeLessThan(3);
  });

  it('refuses two ways to prepare images, and a detector that has not learnt', async () => {
    const set = images(30, 7);
    const model = convNet({ inChannels: 1, numClasses: 3, head: byName('isomax').head });
    await expect(
      fitThreshold(model, set, { score: entropic(), normalize: set.statistics, transform: (x) => x.to('float32') }),
    ).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /either normalize or a transform/ });
    await expect(fitThreshold(model, set, { score: centred() })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: /centred learns from training images/,
    });
  });
});

describe('with a detector of any kind', () => {
  /** Blobs of a class's own place and size, with noise. */
  function blobs(rows: number, seed: number): ImageDataset<Tensor> {
    torch.manualSeed(seed);
    const labels = kept(() => torch.arange(rows, { dtype: 'int64' }).remainder(3));
    const pixels = kept(() => {
      const noise = torch.rand([rows, 1, 8, 8]).mul(60);
      for (let row = 0; row < rows; row++)
        noise
          .select(0, row)
          .narrow(1, (row % 3) * 2, 3)
          .narrow(2, (row % 3) * 2, 3)
          .add_(150);
      return noise.to('uint8');
    });
    return new ImageDataset({ images: pixels, labels, classes: ['a', 'b', 'c'], name: 'blobs' });
  }
  const model = () => {
    torch.manualSeed(6);
    return convNet({ inChannels: 1, numClasses: 3, head: byName('softmax').head });
  };

  it.each([
    ['dice', {}],
    ['mahalanobis', {}],
    ['knn', { k: 5 }],
    ['vim', { dimension: 8 }],
    ['energy+react', {}],
    ['gradnorm', {}],
    ['odin', { epsilon: 0.01 }],
    ['input-mahalanobis', {}],
    ['gram', { powers: [1, 2] }],
  ])(
    '%s: fitted on the training images, the verdicts are those of the scores, also from a file',
    async (name, settings) => {
      const [train, held, fresh] = [blobs(240, 1), blobs(150, 2), blobs(90, 3)];
      const network = model();
      const transform = (images: Tensor) => images.to('float32').div(255);
      const before = await liveTensors();
      const guard = await fitThreshold(network, held, {
        ...{ score: detectorByName(name, settings), train, transform, accept: 0.9, calibrate: 'nll' },
      });
      expect(guard.threshold.achieved).toBeCloseTo(0.9, 2);
      expect(guard.calibration).not.toBeNull();

      const verdicts = await guard.judge(fresh.images);
      expect((await Promise.all([guard.judge(fresh.images), guard.judge(fresh.images)])).flat()).toEqual([
        ...verdicts,
        ...verdicts,
      ]);
      const path = join(folder, `${name}.safetensors`);
      await guard.save(path);
      const loaded = await Guard.load(path, { model: network, transform });
      expect(await loaded.judge(fresh.images)).toEqual(verdicts);
      const again = detectorByName(name, settings);
      const evaluation = await evaluate(network, { id: fresh, ood: { held }, train, scores: [again], transform });
      expect(verdicts.map(({ score }) => score)).toEqual(Array.from(evaluation.id.scores[name]!));
      expect(verdicts.map(({ accepted }) => accepted)).toEqual(
        verdicts.map(({ score }) => score >= guard.threshold.value),
      );
      const { detector } = guard;
      guard.dispose();
      loaded.dispose();
      if (learns(detector)) expect(detector.isFitted).toBe(false); // it was the guard's
      if (learns(again)) again.dispose();
      expect(await liveTensors()).toBe(before);
      for (const set of [train, held, fresh]) set.dispose();
    },
  );

  it('one that looks at the network judges no arrays', async () => {
    const held = blobs(60, 4);
    const transform = (images: Tensor) => images.to('float32').div(255);
    using guard = await fitThreshold(model(), held, { score: detectorByName('odin'), transform });
    using logits = kept(() => torch.zeros([2, 3]));
    const refused = { code: 'ERR_ARGUMENT', message: /odin runs the network itself/ };
    await expect(guard.judgeArrays(arrays({ logits }))).rejects.toMatchObject(refused);
    await expect(fitThresholdFromArrays(arrays({ logits }), { score: detectorByName('odin') })).rejects.toMatchObject(
      refused,
    );
    held.dispose();
  });
});

describe('the file', () => {
  const saved = async (name: string): Promise<string> => {
    const { logits, labels } = logitsOf(60, 8);
    const score = centred();
    await score.fit(arrays({ logits }));
    const guard = await fitThresholdFromArrays(arrays({ logits, labels }), { score, calibrate: 'ece' });
    const path = join(folder, `${name}.safetensors`);
    await guard.save(path);
    guard.dispose();
    for (const tensor of [logits, labels]) tensor.dispose();
    return path;
  };
  const make = (name: string) => {
    if (name === 'centred') return centred();
    throw new Error(`no ${name}`);
  };

  it('gives back every bit: state, infinite ends, minus zero, odd names', async () => {
    const path = await saved('bits');
    const before = await liveTensors();
    const loaded = await Guard.load(path, { makeDetector: make });
    expect(loaded.threshold.interval.lower).toBe(Number.NEGATIVE_INFINITY); // 72 scores would bound it
    await loaded.save(join(folder, 'again.safetensors'));
    expect(readFileSync(join(folder, 'again.safetensors')).equals(readFileSync(path))).toBe(true);
    loaded.dispose();
    expect(await liveTensors()).toBe(before);

    const doubles = fc.double({ noNaN: true, noDefaultInfinity: true });
    const file = join(folder, 'any.safetensors');
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(doubles, doubles, doubles),
        fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 3 }),
        async (numbers, classes) => {
          const [lower, value, upper] = [...numbers].sort((a, b) => a - b) as [number, number, number];
          const content = {
            detector: entropic(),
            threshold: {
              ...loaded.threshold,
              value,
              interval: { lower, upper },
              percentiles: new Float64Array(25).fill(value),
            },
            calibration: null,
            classes,
            normalize: null,
            imageShape: null,
            about: {},
          };
          await new Guard(content).save(file);
          const { threshold, classes: names } = await Guard.load(file);
          expect(threshold).toStrictEqual(content.threshold);
          expect(names).toEqual(classes);
        },
      ),
      { numRuns: 25 },
    );
  });

  it.each<[string, (texts: Map<string, string>, tensors: Map<string, Tensor>) => void, RegExp]>([
    ['another file', (texts) => texts.clear(), /expected a detector's file/],
    ['a later format', (texts) => texts.set('isotorch.version', '2'), /version 1 of the format, received 2/],
    ['no JSON', (texts) => texts.set('guard.content', '{'), /text content is no JSON/],
    ['JSON of another kind', (texts) => texts.set('guard.content', '[]'), /text content is no JSON object/],
    ['settings of another kind', (texts) => texts.set('isotorch.settings', '[]'), /settings are no JSON object/],
    ['an unknown detector', (texts) => texts.set('isotorch.detector', '__proto__'), /can't be made: no __proto__/],
    [
      'a detector alone',
      (texts, tensors) => {
        texts.set('isotorch.parts', '[]').delete('guard.content');
        for (const name of ['guard.threshold', 'guard.percentiles']) tensors.delete(name);
      },
      /a detector without a threshold/,
    ],
    ['no threshold', (_, tensors) => tensors.delete('guard.threshold'), /no tensor threshold of float64 \[3\]/],
    ['a threshold that is NaN', (_, tensors) => tensors.get('guard.threshold')!.fill_(Number.NaN), /threshold NaN/],
    ['one that is infinite', (_, tensors) => tensors.get('guard.threshold')!.fill_(-Infinity), /threshold -Infinity/],
    [
      'one outside its interval',
      (_, tensors) => tensors.get('guard.threshold')!.select(0, 2).fill_(-1e9),
      /within its interval/,
    ],
    ['other percentiles', (_, tensors) => tensors.get('guard.percentiles')!.fill_(0), /its percentiles/],
    [
      'float32',
      (_, tensors) => tensors.set('guard.threshold', torch.zeros([3])),
      /no tensor threshold of float64 \[3\]/,
    ],
  ])('is refused for %s', async (_, change, message) => {
    const path = await saved('whole');
    const tensors = await loadSafetensors(path);
    const texts = new Map(tensors.metadata);
    change(texts, tensors);
    const hostile = join(folder, 'hostile.safetensors');
    await saveSafetensors(hostile, tensors, { metadata: texts });
    for (const tensor of tensors.values()) tensor.dispose();
    const before = await liveTensors();
    await expect(Guard.load(hostile, { makeDetector: make })).rejects.toMatchObject({ code: 'ERR_FORMAT', message });
    expect(await liveTensors()).toBe(before);
  });

  it('is refused when any of its descriptions is changed to something else', async () => {
    const path = await saved('described');
    const tensors = await loadSafetensors(path);
    const described = JSON.parse(tensors.metadata.get('guard.content')!);
    const hostile = join(folder, 'described-hostile.safetensors');
    const changes: [string, unknown][] = [
      ['threshold', null],
      ['threshold', { ...described.threshold, accept: 1.5 }],
      ['threshold', { ...described.threshold, n: -1 }],
      ['threshold', { ...described.threshold, acceptance: { lower: 0 } }],
      ['calibration', { ...described.calibration, temperature: 0 }],
      ['calibration', { ...described.calibration, temperature: '1' }],
      ['classes', [1, 2]],
      ['classes', 'cat'],
      ['normalize', { mean: [0.5], std: [0] }],
      ['imageShape', [1, -8, 8]],
      ['about', { run: 5 }],
      ['about', undefined],
    ];
    for (const [key, value] of changes) {
      const metadata = new Map(tensors.metadata).set('guard.content', JSON.stringify({ ...described, [key]: value }));
      await saveSafetensors(hostile, tensors, { metadata });
      await expect(
        Guard.load(hostile, { makeDetector: make }),
        `${key}: ${JSON.stringify(value)}`,
      ).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: new RegExp(`its ${key} is not`),
      });
    }
  });

  it('is refused with a typed error wherever a byte is changed or it is cut off', async () => {
    const whole = readFileSync(await saved('bytes'));
    const path = join(folder, 'bytes-hostile.safetensors');
    const header = 8 + Number(whole.readBigUInt64LE(0));
    const typed = /^ERR_(FORMAT|DTYPE|STATE_DICT|ARGUMENT|SHAPE)$/;
    const attempt = async (bytes: Uint8Array): Promise<void> => {
      writeFileSync(path, bytes);
      try {
        (await Guard.load(path, { makeDetector: make })).dispose();
      } catch (error) {
        expect((error as { code: string }).code, String(error)).toMatch(typed);
      }
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(header - 1), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
        const changed = Uint8Array.from(whole);
        changed[at] = byte;
        await attempt(changed);
      }),
      { numRuns: 150 },
    );
    for (const length of [0, 7, 8, header - 1, header, whole.length - 1]) await attempt(whole.subarray(0, length));
    await expect(Guard.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});
