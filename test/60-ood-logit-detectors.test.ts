// Detectors of logits and of the head, and activation shaping, beside an independent reference: make_logit_detectors.py computes
// each from its paper's formula. Then what holds for all of them: rows are on their own, the sign, memory, bad input.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { detectorNames, detectorSpecs, shapingNames } from '../lib/known/detectors.js';
import { type Arrays, arrays, narrowed } from '../lib/ood/arrays/arrays.js';
import { affineHead, type ClassifierHead } from '../lib/ood/arrays/head.js';
import { type Detector, learns } from '../lib/ood/detectors/detector.js';
import { gen } from '../lib/ood/detectors/gen.js';
import { gradNorm } from '../lib/ood/detectors/gradNorm.js';
import { openMax } from '../lib/ood/detectors/openmax.js';
import { byName as anyByName } from '../lib/ood/detectors/registry.js';
import { temperatureScaling } from '../lib/ood/detectors/temperature.js';
import { fitTail } from '../lib/ood/detectors/weibull.js';
import { type DType, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

interface Case {
  name: string;
  training: { features: number[][]; logits: number[][]; labels: number[] };
  weight: number[][];
  bias: number[];
  test: { features: number[][]; logits: number[][] };
  scores: { detector: string; settings: object; head: 'affine' | 'distance'; values: number[] }[];
}

const golden = JSON.parse(readFileSync(new URL('fixtures/logitDetectors.json', import.meta.url), 'utf8')) as {
  cases: Case[];
};

/** The arrays of a case. */
function given({ training, test, weight, bias }: Case, dtype: DType, kind: 'affine' | 'distance' = 'affine') {
  const matrix = (rows: number[][]) => torch.tensor(rows, { dtype });
  const prototypes = matrix(weight);
  const head: ClassifierHead =
    kind === 'affine'
      ? affineHead(prototypes, torch.tensor(bias, { dtype }))
      : { kind, prototypes, forward: (f) => torch.cdist(f, prototypes, 2, 2).neg() };
  return {
    training: arrays({
      name: 'training',
      features: matrix(training.features),
      logits: matrix(training.logits),
      labels: torch.tensor(training.labels, { dtype: 'int64' }),
      head,
    }),
    test: arrays({ name: 'test', features: matrix(test.features), logits: matrix(test.logits), head }),
  };
}

function disposeAll(...sets: Arrays[]) {
  const heads = sets.map(({ head }) => head);
  for (const head of heads)
    for (const part of ['weight', 'bias', 'prototypes']) (head as unknown as Record<string, Tensor>)[part]?.dispose();
  for (const { features, logits, labels } of sets) for (const part of [features, logits, labels]) part?.dispose();
}

/** Banks that fit the few images here. */
const small: Readonly<Record<string, object>> = { knn: { k: 3 }, nnguide: { k: 3, fraction: 0.5 } };
/** Of arrays, as all are here. */
const byName = (name: string, settings: object = {}) => anyByName(name, { ...small[name], ...settings }) as Detector;

const matrix = (rows: number[][]) => torch.tensor(rows, { dtype: 'float64' });
const numbers = (scores: Tensor): number[] => scores.tolist() as number[];
/** With NaN as one number of row 5. */
const spoil = (rows: Tensor | null): Tensor => {
  const spoilt = rows!.clone();
  tidy(() => spoilt.select(0, 5).narrow(0, 0, 1).fill_(Number.NaN));
  return spoilt;
};
const scoresOf = (detector: Detector, of: Arrays): number[] => tidy(() => numbers(detector.score(of)));

async function fitted(name: string, settings: object, training: Arrays): Promise<Detector> {
  const detector = byName(name, settings);
  if (learns(detector)) await detector.fit(training);
  return detector;
}

/** To a tolerance relative to the larger of 1 and the number itself. */
const near = (values: readonly number[], tolerance: number) =>
  values.map((value) =>
    expect.toSatisfy((got: number) => Math.abs(got - value) <= tolerance * Math.max(1, Math.abs(value)), `${value}`),
  );

describe.each(golden.cases)('$name', (example) => {
  it.each(
    example.scores.map((row) => ({ ...row, title: `${row.detector} ${JSON.stringify(row.settings)} ${row.head}` })),
  )('$title equals the reference', async ({ detector: name, settings, head, values }) => {
    for (const [dtype, tolerance] of [
      ['float64', 1e-10],
      ['float32', 1e-6],
    ] as const) {
      const before = memory().tensors;
      const { training, test } = given(example, dtype, head);
      const detector = await fitted(name, settings, training);
      expect(scoresOf(detector, test), dtype).toEqual(near(values, tolerance));
      if (learns(detector)) detector.dispose();
      disposeAll(training, test);
      expect(memory().tensors).toBe(before);
    }
  });
});

/**
 * Every detector of arrays, and every shaping once; but for the two that look at what lies outside of a principal space, of
 * which there is little and that little rounded in these features of 12 numbers.
 */
const ofArrays = detectorNames.filter(
  (name) =>
    !['vim', 'residual'].includes(name) && !(detectorSpecs[name].needs as readonly string[]).includes('network'),
);
const all = [...ofArrays, ...shapingNames.map((shaping) => `energy+${shaping}`), 'openmax+react', 'dice+react'];
const general = golden.cases[0]!;

describe.each(all)('%s', (name) => {
  it('gives each row its own score, whatever stands beside it and in whatever order', async () => {
    const { training, test } = given(general, 'float64');
    const detector = await fitted(name, {}, training);
    const whole = scoresOf(detector, test);
    expect(new Set(whole).size).toBeGreaterThan(1);
    for (let row = 0; row < whole.length; row++)
      expect(scoresOf(detector, narrowed(test, row, 1))).toEqual(near([whole[row]!], 1e-13));
    const order = [...whole.keys()].sort((a, b) => ((a * 7) % 24) - ((b * 7) % 24));
    const permuted = tidy(() => {
      const index = torch.tensor(order, { dtype: 'int64' });
      const { features, logits } = test;
      return scoresOf(detector, {
        ...test,
        features: features!.indexSelect(0, index),
        logits: logits!.indexSelect(0, index),
      });
    });
    expect(permuted).toEqual(
      near(
        order.map((row) => whole[row]!),
        1e-13,
      ),
    );
  });

  it('says float64 [N], and leaves its input alone', async () => {
    const { training, test } = given(general, 'float32');
    const [features, logits] = [test.features!.tolist(), test.logits!.tolist()];
    const detector = await fitted(name, {}, training);
    tidy(() => {
      const scores = detector.score(test);
      expect([scores.dtype, scores.shape, scores.requiresGrad]).toEqual(['float64', [24], false]);
    });
    expect([test.features!.tolist(), test.logits!.tolist()]).toEqual([features, logits]);
  });

  it('gives NaN for an image of NaN, and for that one alone', async () => {
    const { training, test } = given(general, 'float64');
    const detector = await fitted(name, {}, training);
    const whole = scoresOf(detector, test);
    const spoilt = scoresOf(detector, { ...test, features: spoil(test.features), logits: spoil(test.logits) });
    expect(spoilt).toEqual(near(whole, 1e-13).with(5, Number.NaN as never));
  });

  it('learns the same from an iterable of parts as from the whole', async () => {
    const { training, test } = given(general, 'float64');
    const parts = [narrowed(training, 0, 17), narrowed(training, 17, 50), narrowed(training, 67, 23)];
    const [whole, pieces] = [byName(name), byName(name)];
    if (!learns(whole) || !learns(pieces)) return;
    await whole.fit(training);
    await pieces.fit(parts);
    expect(scoresOf(pieces, test)).toEqual(near(scoresOf(whole, test), 1e-12));
    expect(() => byName(name).score(test)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  it('refuses to learn from numbers that are none, and from nothing', async () => {
    const { training } = given(general, 'float64');
    const detector = byName(name);
    if (!learns(detector)) return;
    const bad = { ...training, features: spoil(training.features), logits: spoil(training.logits) };
    await expect(detector.fit(bad)).rejects.toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    await expect(detector.fit([])).rejects.toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    expect(detector.isFitted).toBe(false);
  });
});

describe('the sign', () => {
  /** Images of the classes: one large logit, one label in twenty wrong; unknown ones: faint features that excite no class. */
  function cloud() {
    torch.manualSeed(3);
    const [classes, size, count] = [4, 32, 3200];
    const owner = torch.arange(count).remainder(classes);
    const labels = torch.where(torch.arange(count).remainder(20).eq(0), owner.add(1).remainder(classes), owner);
    const weight = torch.zeros([classes, size]);
    for (let c = 0; c < classes; c++)
      weight
        .select(0, c)
        .narrow(0, c * 8, 8)
        .fill_(0.5);
    const head = affineHead(weight, torch.zeros([classes]));
    const known = weight
      .indexSelect(0, owner)
      .mul(6)
      .add(torch.rand([count, size]).mul(0.5));
    const unknown = torch.rand([60, size]).mul(0.02);
    const of = (name: string, features: Tensor, labels: Tensor | null) =>
      arrays({ name, features, logits: head.forward(features), labels, head });
    return { known: of('known', known, labels), unknown: of('unknown', unknown, null) };
  }

  it.each(all)('%s is larger for known images', async (name) => {
    const { known, unknown } = cloud();
    const detector = await fitted(name, {}, known);
    const [inside, outside] = [scoresOf(detector, known), scoresOf(detector, unknown)];
    const wins = inside.flatMap((a) => outside.map((b) => (a > b ? 1 : a === b ? 0.5 : 0) as number));
    expect(wins.reduce((sum, win) => sum + win, 0) / wins.length).toBeGreaterThan(0.97);
  });
});

describe('a head that is no w·f + b', () => {
  it.each(['dice', 'gradnorm', 'gradnorm+react'])('%s says so', async (name) => {
    const { training, test } = given(general, 'float64', 'distance');
    const message = expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('distance head'),
    });
    await expect((async () => scoresOf(await fitted(name, {}, training), test))()).rejects.toThrow(message);
  });

  it('is no hindrance to shaped detectors of logits', async () => {
    const { training, test } = given(general, 'float32', 'distance');
    const detector = await fitted('mds+react', {}, training);
    expect(scoresOf(detector, test)).toHaveLength(24);
  });
});

it('GradNorm’s closed form is what autograd gives', () => {
  tidy(() => {
    torch.manualSeed(1);
    const [features, weight, bias] = [torch.randn([5, 7]), torch.randn([3, 7]), torch.randn([3])].map((t) =>
      t.to('float64'),
    );
    const head = affineHead(weight!, bias!);
    const scores = numbers(gradNorm().score(arrays({ features: features!, logits: head.forward(features!), head })));
    const norms = scores.map((_, row) => {
      const own = weight!.clone().requiresGrad_(true);
      torch
        .linear(features!.narrow(0, row, 1), own, bias!)
        .logSoftmax(1)
        .sum()
        .neg()
        .backward();
      return own.grad!.abs().sum().item() as number;
    });
    expect(scores).toEqual(near(norms, 1e-13));
  });
});

describe('temperature scaling', () => {
  const logits = torch.tensor(
    [
      [9, 0],
      [9, 0],
      [9, 0],
      [0, 9],
    ],
    { dtype: 'float64' },
  );

  it('finds the temperature in closed form: three of four are right, so p = 3/4', async () => {
    const labels = torch.tensor([0, 0, 1, 1], { dtype: 'int64' });
    const detector = temperatureScaling();
    await detector.fit(arrays({ logits, labels }));
    expect(detector.state().temperature!.item()).toBeCloseTo(9 / Math.log(3), 12);
  });

  it('stays within its bounds where all are right, and where none is', async () => {
    for (const [right, bound] of [
      [[0, 0, 0, 1], 1e-3],
      [[1, 1, 1, 0], 1e3],
    ] as const) {
      const detector = temperatureScaling();
      await detector.fit(arrays({ logits, labels: torch.tensor([...right], { dtype: 'int64' }) }));
      expect(detector.state().temperature!.item()).toBe(bound);
    }
  });

  it.each([[[0, 1, 2, 0]], [[0, -1, 0, 0]]])('refuses labels %j that are no class', async (labels) => {
    const training = arrays({ logits, labels: torch.tensor(labels, { dtype: 'int64' }) });
    for (const detector of [temperatureScaling(), openMax()])
      await expect(detector.fit(training)).rejects.toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
  });
});

it('GEN tells networks apart that are surer than 1 − 10⁻¹⁶', () => {
  const scores = [50, 60].map((margin) => {
    const small = Math.exp(-margin);
    return -((2 * small) ** 0.1 + 2 * small ** 0.1);
  });
  tidy(() =>
    expect(
      numbers(
        gen().score(
          arrays({
            logits: matrix([
              [50, 0, 0],
              [60, 0, 0],
            ]),
          }),
        ),
      ),
    ).toEqual(near(scores, 1e-14)),
  );
});

it.each([
  ['kl-matching', /fitted with 4 classes, but these arrays have 3/],
  ['openmax', /fitted with 4 classes, but these arrays have 3/],
  ['dice', /fitted with 12 features, but these arrays have 11/],
])('%s says so when it is given arrays of another network', async (name, message) => {
  const { training, test } = given(general, 'float64');
  const detector = await fitted(name, {}, training);
  const other = { ...test, features: test.features!.narrow(1, 0, 11), logits: test.logits!.narrow(1, 0, 3) };
  expect(() => detector.score(other)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
  expect(() => detector.score(other)).toThrow(message);
});

it('what is loaded is a copy', async () => {
  const { training, test } = given(general, 'float64');
  const [one, other] = [openMax(), openMax()];
  await one.fit(training);
  const scores = scoresOf(one, test);
  other.load(one.state());
  tidy(() => one.state().means!.fill_(0));
  one.dispose();
  expect(one.isFitted).toBe(false);
  expect(scoresOf(other, test)).toEqual(scores);
});

describe('OpenMax', () => {
  it('names the classes that it has no images of', async () => {
    const logits = matrix([
      [5, 0, 0],
      [4, 0, 0],
      [5, 1, 0],
    ]);
    const labels = torch.tensor([0, 0, 1], { dtype: 'int64' });
    await expect(openMax().fit(arrays({ logits, labels }))).rejects.toThrow(/none of classes 1, 2/);
  });

  it('fits a tail by maximum likelihood, wherever it lies, and says where there is none', () => {
    const tail = [3.1, 2.9, 3.4, 3.3, 4.2];
    const { smallest, location, scale } = fitTail(tail);
    const y = (d: number) => Math.log1p((d - smallest) / 1e4);
    const likelihood = (at: number, width: number) =>
      tail.reduce((sum, d) => {
        const t = (y(d) - at) / width;
        return sum + t - Math.exp(t) - Math.log(width);
      }, 0);
    for (const step of [1e-3, -1e-3]) {
      expect(likelihood(location + step * scale, scale)).toBeLessThan(likelihood(location, scale));
      expect(likelihood(location, scale * (1 + step))).toBeLessThan(likelihood(location, scale));
    }
    expect(fitTail([2, 2, 2]).scale).toBe(0);
    expect(fitTail([0]).scale).toBe(0);
    expect(fitTail([2, 2 + 2 ** -51, 2 - 2 ** -52]).scale).toBe(0);
    expect(fitTail([1e-9, 2e-9]).scale).toBeGreaterThan(0);
  });
});
