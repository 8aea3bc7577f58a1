// Detectors that learn from features: values beside an independent reference in NumPy and scikit-learn (make_feature_detectors.py),
// edge cases among them, and what holds for any data: order of rows, parts, batches, affine maps, saving, memory.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arrays, arrays, narrowed } from '../lib/ood/arrays/arrays.js';
import { affineHead, type ClassifierHead } from '../lib/ood/arrays/head.js';
import type { FittedDetector } from '../lib/ood/detectors/detector.js';
import { fdbd } from '../lib/ood/detectors/fdbd.js';
import { knn } from '../lib/ood/detectors/knn.js';
import { mahalanobis } from '../lib/ood/detectors/mahalanobis.js';
import { nci } from '../lib/ood/detectors/nci.js';
import { nnguide } from '../lib/ood/detectors/nnguide.js';
import { relation } from '../lib/ood/detectors/relation.js';
import { residual } from '../lib/ood/detectors/residual.js';
import { rmds } from '../lib/ood/detectors/rmds.js';
import { she } from '../lib/ood/detectors/she.js';
import { vim } from '../lib/ood/detectors/vim.js';
import { type DType, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { collectGarbage } from './support/live.js';

interface Golden {
  name: string;
  dimension: number;
  k: number;
  train: Record<'features' | 'logits' | 'weight', number[][]> & Record<'labels' | 'bias', number[]>;
  test: Record<'features' | 'logits', number[][]>;
  float64: Record<string, number[]>;
  float32: Record<string, number[]>;
}

const golden = JSON.parse(
  readFileSync(new URL('./fixtures/featureDetectors.json', import.meta.url), 'utf8'),
) as readonly Golden[];

const makers = (k: number, dimension: number): Record<string, () => FittedDetector> => ({
  mahalanobis,
  rmds,
  knn: () => knn({ k }),
  residual: () => residual({ dimension }),
  vim: () => vim({ dimension }),
  she,
  fdbd,
  'fdbd-feature': () => fdbd({ normalizer: 'feature' }),
  nci,
  nnguide: () => nnguide({ k, fraction: 1 }),
  relation,
  'relation-2': () => relation({ pow: 2, threshold: 0.1 }),
});
const all = makers(5, 3);
const detectors = Object.entries(all);

const values = (tensor: Tensor): number[] => [...(tensor.toArraySync() as Float64Array)];
const scores = (detector: FittedDetector, test: Arrays): number[] => tidy(() => values(detector.score(test)));

/** Fits a fresh detector, uses it, and gives back what it held. */
async function fitted<T>(
  make: () => FittedDetector,
  training: Arrays | Iterable<Arrays>,
  use: (detector: FittedDetector) => T,
): Promise<T> {
  const detector = make();
  try {
    await detector.fit(training);
    return use(detector);
  } finally {
    detector.dispose();
  }
}

function arraysOf(parts: Golden['train'] | Golden['test'], head: ClassifierHead | null, dtype: DType): Arrays {
  const { features, logits } = parts;
  return arrays({
    name: 'golden',
    features: torch.tensor(features, { dtype }),
    logits: torch.tensor(logits, { dtype }),
    labels: 'labels' in parts ? torch.tensor(parts.labels, { dtype: 'int64' }) : null,
    head,
  });
}

/** Four clouds of known images with a head that knows them, and unknown ones farther out in other directions. */
function clouds(rows = 400, dtype: DType = 'float64') {
  torch.manualSeed(3);
  const [classes, size] = [4, 12];
  const means = torch.eye(size).narrow(0, 0, classes).mul(8);
  const head = affineHead(means.mul(0.5).to(dtype), torch.full([classes], -4, { dtype }));
  const near = (labels: Tensor) =>
    means
      .indexSelect(0, labels)
      .add(torch.randn([labels.shape[0]!, size]))
      .to(dtype);
  const make = (name: string, features: Tensor, labels: Tensor | null): Arrays =>
    arrays({ name, features, labels, logits: head.forward(features), head });
  const labels = torch.arange(rows).remainder(classes);
  const later = torch.arange(80).remainder(classes);
  const away = torch.randn([80, size]).mul(torch.cat([torch.full([classes], 0.5), torch.full([size - classes], 4)]));
  return {
    train: make('train', near(labels), labels),
    known: make('known', near(later), later),
    unknown: make('unknown', away.to(dtype), null),
  };
}

const permuted = (set: Arrays): Arrays => {
  const order = torch.randperm(set.features!.shape[0]!);
  const take = (tensor: Tensor | null) => tensor?.indexSelect(0, order) ?? null;
  return { ...set, features: take(set.features), logits: take(set.logits), labels: take(set.labels) };
};

const close = (found: readonly number[], wanted: readonly number[], tolerance: number) => {
  expect(found.length).toBe(wanted.length);
  const worst = Math.max(
    ...found.map((value, i) => {
      const error = Math.abs(value - wanted[i]!) / Math.max(1, Math.abs(wanted[i]!));
      return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    }),
  );
  expect(worst).toBeLessThanOrEqual(tolerance);
};

describe.each(golden)('$name', (given) => {
  it.each([
    ['float64', 1e-10],
    ['float32', 1e-6],
  ] as const)('%s is the reference to %f', async (dtype, tolerance) => {
    const head = affineHead(torch.tensor(given.train.weight, { dtype }), torch.tensor(given.train.bias, { dtype }));
    const [train, test] = [arraysOf(given.train, head, dtype), arraysOf(given.test, head, dtype)];
    const make = makers(given.k, given.dimension);
    for (const [name, wanted] of Object.entries(given[dtype]))
      await fitted(make[name]!, train, (detector) => {
        try {
          close(scores(detector, test), wanted, tolerance);
        } catch (error) {
          throw new Error(`${name}: ${(error as Error).message}`);
        }
      });
  });
});

describe.each(detectors)('%s', (_, make) => {
  it('puts known images above unknown ones', async () => {
    const { train, known, unknown } = clouds();
    await fitted(make, train, (detector) => {
      const [above, below] = [scores(detector, known), scores(detector, unknown)];
      const wins = above.flatMap((a) => below.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
      expect(wins.reduce<number>((sum, win) => sum + win, 0) / wins.length).toBeGreaterThan(0.9);
    });
  });

  it('gives each row its own score, in whatever batch', async () => {
    const { train, known } = clouds();
    await fitted(make, train, (detector) => {
      const together = scores(detector, known);
      for (const [start, length] of [
        [0, 1],
        [7, 1],
        [3, 40],
      ] as const)
        close(
          tidy(() => scores(detector, narrowed(known, start, length))),
          together.slice(start, start + length),
          1e-13,
        );
    });
  });

  it('learns the same from rows in another order, and from parts', async () => {
    const { train, known } = clouds();
    const wanted = await fitted(make, train, (detector) => scores(detector, known));
    close(await fitted(make, permuted(train), (detector) => scores(detector, known)), wanted, 1e-11);
    const parts = [narrowed(train, 0, 1), narrowed(train, 1, 149), narrowed(train, 150, 250)];
    close(await fitted(make, parts, (detector) => scores(detector, known)), wanted, 1e-11);
  });

  it.each(['float32', 'float64'] as const)('saves and loads what it learnt from %s, to the bit', async (dtype) => {
    const { train, known } = clouds(400, dtype);
    await fitted(make, train, (detector) => {
      const copy = make();
      copy.load(detector.state());
      const wanted = scores(detector, known);
      detector.dispose();
      expect(scores(copy, known)).toEqual(wanted);
      copy.dispose();
      expect(copy.isFitted).toBe(false);
    });
  });

  it('gives back all memory, also when a fit fails or is repeated', async () => {
    const { train, known } = clouds();
    const broken = { ...train, features: train.features!.clone(), logits: train.logits!.clone() };
    broken.features.select(0, 300).fill_(Number.NaN);
    await collectGarbage();
    const before = memory().tensors;
    const detector = make();
    await detector.fit(train);
    await detector.fit([train]);
    scores(detector, known);
    await expect(detector.fit([train, broken])).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('finite features but row 700 of train'),
    });
    expect(scores(detector, known).every(Number.isFinite)).toBe(true); // the fit before stands
    detector.dispose();
    detector.dispose();
    expect(memory().tensors).toBe(before);
  });

  it('takes bfloat16 and tensors that record gradients, and records none', async () => {
    const { train, known } = clouds(400, 'bfloat16');
    await fitted(make, train, (detector) => expect(scores(detector, known).every(Number.isFinite)).toBe(true));
    const wide = clouds(400, 'float32');
    wide.train.features!.requiresGrad = true;
    wide.known.features!.requiresGrad = true;
    await fitted(make, wide.train, (detector) =>
      tidy(() => {
        const score = detector.score(wide.known);
        expect([score.requiresGrad, score.dtype, score.shape]).toEqual([false, 'float64', [80]]);
      }),
    );
  });

  it('says what is wrong', async () => {
    const { train, known } = clouds();
    const detector = make();
    const error = (code: string, text: string) =>
      expect.objectContaining({ code, message: expect.stringContaining(text) });
    expect(() => detector.score(known)).toThrow(error('ERR_ARGUMENT', 'fit'));
    expect(() => detector.state()).toThrow(error('ERR_ARGUMENT', 'fit'));
    await expect(detector.fit([])).rejects.toEqual(error('ERR_DATA', 'none'));
    await detector.fit(train);
    const narrow = { ...known, features: known.features!.narrow(1, 0, 11).contiguous() };
    expect(() => tidy(() => detector.score(narrow))).toThrow(error('ERR_SHAPE', '12'));
    const state = detector.state();
    const [first] = Object.keys(state) as [string];
    expect(() => detector.load({})).toThrow(error('ERR_STATE_DICT', first));
    expect(() => detector.load({ ...state, more: state[first]! })).toThrow(error('ERR_STATE_DICT', 'more'));
    tidy(() => {
      expect(() => detector.load({ ...state, [first]: state[first]!.to('float16') })).toThrow(
        error('ERR_STATE_DICT', 'float16'),
      );
      expect(() => detector.load({ ...state, [first]: state[first]!.unsqueeze(0) })).toThrow(
        error('ERR_STATE_DICT', first),
      );
    });
    detector.dispose();
  });
});

it('detectors of w·f + b refuse a distance head', async () => {
  const { train } = clouds();
  const head: ClassifierHead = { kind: 'distance', prototypes: torch.zeros([4, 12]), forward: (features) => features };
  const distant = { ...train, head };
  const refused = expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('distance head') });
  for (const make of [vim, residual]) await expect(make().fit(distant)).rejects.toEqual(refused);
  for (const make of [vim, fdbd, nci])
    await fitted(make, train, (detector) => expect(() => detector.score(distant)).toThrow(refused));
});

describe('edges', () => {
  const plain = (rows: readonly (readonly number[])[], labels: readonly number[], dtype: DType = 'float64'): Arrays =>
    arrays({
      features: torch.tensor(
        rows.map((row) => [...row]),
        { dtype },
      ),
      labels: torch.tensor([...labels], { dtype: 'int64' }),
    });

  it('features without variance but for rounding leave no direction, and no NaN', async () => {
    torch.manualSeed(0);
    const labels = torch.arange(77).remainder(7);
    for (const classes of [1, 7]) {
      const rows = torch.randn([classes, 5], { dtype: 'float64' }).mul(torch.tensor([1, 1e-9, 1e9, 1, 3]));
      const train = arrays({ features: rows.indexSelect(0, labels.remainder(classes)), labels });
      const wanted = new Array<number>(77).fill(0);
      await fitted(mahalanobis, train, (detector) => close(scores(detector, train), wanted, 0));
      if (classes === 1) await fitted(rmds, train, (detector) => close(scores(detector, train), wanted, 0));
    }
  });

  it('a zero feature has no direction: it is at distance 1 from all others, and 0 from its like', async () => {
    const train = plain(
      [
        [0, 0],
        [1, 0],
        [0.6, 0.8],
      ],
      [0, 0, 0],
      'float32',
    );
    await fitted(
      () => knn({ k: 1 }),
      train,
      (detector) => {
        const test = plain(
          [
            [0, 0],
            [-1, 0],
            [2, 0],
          ],
          [0, 0, 0],
          'float32',
        );
        expect(scores(detector, test)).toEqual([-0, -1, -0].map((value) => expect.closeTo(value, 12)));
      },
    );
  });

  it('refuses what has no meaning', async () => {
    const { train } = clouds(40);
    const refusal = async (make: () => FittedDetector, set: Arrays, text: string) =>
      expect(make().fit(set)).rejects.toMatchObject({ code: 'ERR_DATA', message: expect.stringContaining(text) });
    await refusal(() => knn({ k: 41 }), train, 'at least k = 41 images in the bank, received 40');
    await refusal(() => nnguide({ k: 5, fraction: 0.1 }), train, 'received 4');
    await refusal(she, { ...train, labels: train.labels!.zerosLike() }, 'none of classes 1, 2, 3');
    await refusal(() => vim({ dimension: 6 }), narrowed(train, 0, 1), 'no residual');
    await refusal(mahalanobis, { ...train, labels: train.labels!.sub(1) }, 'received -1');
    await expect(vim({ dimension: 12 }).fit(train)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it.each([
    ['knn k', () => knn({ k: 0 })],
    ['nnguide k', () => nnguide({ k: 1.5 })],
    ['nnguide fraction', () => nnguide({ fraction: 0 })],
    ['nnguide seed', () => nnguide({ seed: -1 })],
    ['relation pow', () => relation({ pow: -1 })],
    ['relation threshold', () => relation({ threshold: Number.NaN })],
    ['residual dimension', () => residual({ dimension: -1 })],
    ['vim dimension', () => vim({ dimension: 'all' as never })],
    ['fdbd normalizer', () => fdbd({ normalizer: 'none' as never })],
    ['nci alpha', () => nci({ alpha: -1 })],
  ])('refuses a wrong %s', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('mahalanobis', () => {
  it('is invariant under affine maps of the features', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1e6 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        async (seed, scale) => {
          torch.manualSeed(seed);
          const train = torch.randn([60, 4], { dtype: 'float64' });
          const test = torch.randn([9, 4], { dtype: 'float64' });
          const labels = torch.arange(60).remainder(3);
          const map = torch.linalg.qr(torch.randn([4, 4], { dtype: 'float64' })).Q.mul(torch.tensor([scale, 1, 2, 3]));
          const shift = torch.randn([4], { dtype: 'float64' }).mul(10 * scale);
          const mapped = (features: Tensor) => features.matmul(map).add(shift);
          const of = (make: () => FittedDetector, a: Tensor, b: Tensor) =>
            fitted(make, arrays({ features: a, labels }), (detector) => scores(detector, arrays({ features: b })));
          for (const make of [mahalanobis, rmds])
            close(await of(make, mapped(train), mapped(test)), await of(make, train, test), 1e-8);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('keeps its digits far from the origin, and where classes come late', async () => {
    torch.manualSeed(0);
    const features = torch
      .randn([5000, 5], { dtype: 'float64' })
      .mul(2 ** 18)
      .round()
      .div(2 ** 18);
    const labels = torch.arange(5000).div(700, { roundingMode: 'floor' }).to('int64');
    const of = (offset: number) =>
      fitted(mahalanobis, arrays({ features: features.add(offset), labels }), (detector) =>
        scores(detector, arrays({ features: features.narrow(0, 0, 50).add(offset) })),
      );
    close(await of(2 ** 30), await of(0), 5e-7); // the features are exact there, class means to 1e-7
  });
});

describe('knn', () => {
  /** By all distances in float64, of the features as the bank has them. */
  const reference = (bank: Tensor, queries: Tensor, k: number) =>
    tidy(() => {
      const unit = (x: Tensor) => {
        const wide = x.to('float64');
        return wide
          .div(torch.linalg.vectorNorm(wide, 2, [1], true).clampMin(1e-300))
          .to(x.dtype)
          .to('float64');
      };
      const distances = torch.cdist(unit(queries), unit(bank), 2, 2).square();
      return values(distances.kthvalue(k, 1).values.neg());
    });
  const found = (bank: Tensor, queries: Tensor, k: number) =>
    fitted(
      () => knn({ k }),
      arrays({ features: bank }),
      (detector) => scores(detector, arrays({ features: queries })),
    );

  it('is exact: random, duplicated, nearly duplicated and zero rows, in groups or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer({ min: 0, max: 1e6 }),
          rows: fc.integer({ min: 1, max: 900 }),
          size: fc.integer({ min: 1, max: 20 }),
          copies: fc.integer({ min: 1, max: 40 }),
          noise: fc.constantFrom(0, 1e-7, 1e-4, 1),
          zeros: fc.boolean(),
          dtype: fc.constantFrom('float32' as const, 'float64' as const),
          k: fc.integer({ min: 1, max: 60 }),
        }),
        async ({ seed, rows, size, copies, noise, zeros, dtype, k }) => {
          torch.manualSeed(seed);
          const few = torch
            .randn([Math.ceil(rows / copies), size])
            .repeatInterleave(copies, 0)
            .narrow(0, 0, rows);
          const bank = few.add(torch.randn([rows, size]).mul(noise)).to(dtype);
          if (zeros) bank.narrow(0, 0, Math.ceil(rows / 3)).fill_(0);
          const queries = torch.cat([bank.narrow(0, 0, Math.min(rows, 20)), torch.randn([5, size]).to(dtype)]);
          const nth = Math.min(k, rows);
          close(await found(bank, queries, nth), reference(bank, queries, nth), 1e-13);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('goes through banks of more than one tile', async () => {
    torch.manualSeed(1);
    const bank = torch.randn([70_001, 3]);
    const queries = torch.cat([bank.narrow(0, 69_990, 11), torch.randn([20, 3])]);
    for (const k of [1, 7]) close(await found(bank, queries, k), reference(bank, queries, k), 1e-13);
  });

  it('leaves the score of a row that is not finite to be found, and those beside it alone', async () => {
    const { train, known } = clouds(400, 'float32');
    const broken = known.features!.clone();
    broken.select(0, 3).fill_(Number.NaN);
    const wanted = await found(train.features!, known.features!, 5);
    wanted[3] = Number.NaN;
    expect(await found(train.features!, broken, 5)).toEqual(wanted);
  });
});

describe('defaults', () => {
  it('are those of OpenOOD', () => {
    const settings = [mahalanobis, rmds, knn, vim, residual, she, fdbd, nnguide, relation, nci].map((make) => {
      const detector = make();
      return [detector.name, detector.settings];
    });
    expect(Object.fromEntries(settings)).toEqual({
      mahalanobis: {},
      rmds: {},
      knn: { k: 50 },
      vim: { dimension: null },
      residual: { dimension: null },
      she: {},
      fdbd: { normalizer: 'deviation' },
      nnguide: { k: 100, fraction: 0.01, seed: 0 },
      relation: { pow: 1, threshold: 0.03 },
      nci: { alpha: 1e-4 },
    });
  });

  it('of vim and residual leave half of small features', async () => {
    const { train } = clouds();
    for (const make of [vim, residual])
      await fitted(make, train, (detector) => expect(detector.state().residual!.shape).toEqual([12, 6]));
  });

  it('of nnguide keep 1 % of the images, the same for the same seed', async () => {
    const { train, known } = clouds(1000);
    const of = (seed: number) =>
      fitted(
        () => nnguide({ k: 3, seed }),
        train,
        (detector) => {
          expect(detector.state().bank!.shape).toEqual([10, 12]);
          return scores(detector, known);
        },
      );
    expect(await of(1)).toEqual(await of(1));
    expect(await of(1)).not.toEqual(await of(2));
  });
});
