// ImageDataset: what it holds, what it refuses, what is made from it, and that it frees what it takes.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDigits } from '../lib/data/digits.js';
import {
  asLike,
  digits,
  fromIdx,
  ImageDataset,
  kmnist,
  load,
  mnist,
  notMnist,
  type Statistics,
} from '../lib/data/index.js';
import { IsotorchError } from '../lib/errors.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-dataset-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** n images of [channels, height, width] whose pixels tell which image, channel and place they are. */
const numbered = (n: number, [c, h, w] = [1, 2, 3], classes = 3) =>
  ImageDataset.fromArrays({
    images: Uint8Array.from({ length: n * c! * h! * w! }, (_, i) => i % 251),
    shape: [n, c!, h!, w!],
    labels: Array.from({ length: n }, (_, i) => i % classes),
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    name: 'numbered',
  });

const pixels = (set: ImageDataset) => [...(set.images.toArraySync() as Uint8Array)];

function failure(attempt: () => unknown): [string, string] {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(IsotorchError);
    return [(error as IsotorchError).code, (error as IsotorchError).message];
  }
  throw new Error('no error was thrown');
}

describe('fromArrays', () => {
  it('takes nested arrays with and without channels, and flat ones', () => {
    const grey = ImageDataset.fromArrays({
      images: [
        [
          [0, 255],
          [255, 0],
        ],
      ],
      labels: [1],
      classes: ['cross', 'slash'],
    });
    expect([grey.images.shape, pixels(grey), grey.labels.tolist()]).toEqual([[1, 1, 2, 2], [0, 255, 255, 0], [1]]);
    const colour = ImageDataset.fromArrays({ images: [[[[1]], [[2]], [[3]]]] });
    expect([colour.shape, colour.labels, colour.classes]).toEqual([[3, 1, 1], null, []]);
    const flat = ImageDataset.fromArrays({ images: Uint8Array.of(1, 2), shape: [2, 1, 1], labels: [0n, 4n] });
    expect([flat.images.shape, flat.classes]).toEqual([
      [2, 1, 1, 1],
      ['0', '1', '2', '3', '4'],
    ]);
    expect(String(flat)).toBe('images: 2 images of 1×1×1, 5 classes, on cpu');
  });

  it('copies: later changes of the array do not show', () => {
    const images = Uint8Array.of(1, 2);
    const set = ImageDataset.fromArrays({ images, shape: [2, 1, 1] });
    images[0] = 9;
    expect(pixels(set)).toEqual([1, 2]);
  });

  it.each([
    ['NaN', [0, Number.NaN], 'received NaN at index 1'],
    ['negative', [-1, 0], 'received -1 at index 0'],
    ['fraction', [0, 0.5], 'received 0.5 at index 1'],
    ['no class', [0, 3], 'integers from 0 to 2 (3 classes), received 3 at index 1'],
    ['infinite', [0, Infinity], 'received Infinity at index 1'],
    ['too large', [0, 2n ** 62n], `received ${2n ** 62n} at index 1`],
    ['undefined', [0, undefined], 'received undefined at index 1'],
  ])('refuses a label that is %s, saying which', (_, labels, message) => {
    const images = new Uint8Array(2);
    const [code, text] = failure(() =>
      ImageDataset.fromArrays({
        images,
        shape: [2, 1, 1],
        labels: labels as number[],
        classes: ['a', 'b', 'c'],
        name: 'mine',
      }),
    );
    expect(code).toBe('ERR_DATA');
    expect(text).toMatch(/^mine: expected labels that are integers from 0/);
    expect(text).toContain(message);
  });

  it.each([
    ['ERR_SHAPE', { images: new Uint8Array(5), shape: [2, 1, 1] }],
    ['ERR_ARGUMENT', { images: new Uint8Array(4) }],
    ['ERR_SHAPE', { images: new Uint8Array(4), shape: [4] }],
    ['ERR_SHAPE', { images: new Uint8Array(4), shape: [-2, -2, 1] }],
    ['ERR_SHAPE', { images: new Uint8Array(4), shape: [4, 1, 1], labels: [0] }],
    ['ERR_SHAPE', { images: [[[1, 2], [3]]] }],
    ['ERR_SHAPE', { images: [[[1, 2]], [[3, 4]]], shape: [1, 2, 2] }],
    ['ERR_SHAPE', { images: [[1, 2]] }],
    ['ERR_DATA', { images: [[[256]]] }],
    ['ERR_DATA', { images: [[[-1]]] }],
    ['ERR_DATA', { images: [[[0.5]]] }],
    ['ERR_DATA', { images: [[[Number.NaN]]] }],
    ['ERR_DATA', { images: [[['1']]] }],
    ['ERR_ARGUMENT', { images: 'pixels' }],
    ['ERR_SHAPE', { images: new Uint8Array(4), shape: [4, 1, 1], statistics: { mean: [0, 0], std: [1, 1] } }],
    ['ERR_ARGUMENT', { images: new Uint8Array(4), shape: [4, 1, 1], statistics: { mean: [0], std: [0] } }],
  ])('%s for what does not fit (%#)', (code, init) => {
    const before = memory();
    expect(failure(() => ImageDataset.fromArrays(init as never))[0]).toBe(code);
    global.gc?.();
    expect(memory().tensors).toBeLessThanOrEqual(before.tensors + 2);
  });

  it('says where a bad pixel is', () => {
    expect(failure(() => ImageDataset.fromArrays({ images: [[[0, 0]], [[0, 300]]] }))[1]).toBe(
      'images: expected pixels that are integers from 0 to 255, received 300 at images[1][0][1]',
    );
  });
});

describe('from tensors', () => {
  it.each([
    ['ERR_DTYPE', () => ({ images: torch.zeros([2, 1, 1, 1]), labels: null })],
    ['ERR_SHAPE', () => ({ images: torch.zeros([2, 1, 1], { dtype: 'uint8' }), labels: null })],
    ['ERR_SHAPE', () => ({ images: torch.zeros([2, 0, 1, 1], { dtype: 'uint8' }), labels: null })],
    ['ERR_DTYPE', () => ({ images: torch.zeros([2, 1, 1, 1], { dtype: 'uint8' }), labels: torch.zeros([2]) })],
    [
      'ERR_SHAPE',
      () => ({ images: torch.zeros([2, 1, 1, 1], { dtype: 'uint8' }), labels: torch.zeros([3], { dtype: 'int64' }) }),
    ],
    ['ERR_DATA', () => ({ images: torch.zeros([2, 1, 1, 1], { dtype: 'uint8' }), labels: torch.tensor([0, -1]) })],
    [
      'ERR_DATA',
      () => ({
        images: torch.zeros([2, 1, 1, 1], { dtype: 'uint8' }),
        labels: torch.tensor([0, 2]),
        classes: ['a', 'b'],
      }),
    ],
  ])('%s for what does not fit (%#)', (code, init) => {
    tidy(() => expect(failure(() => new ImageDataset(init() as never))[0]).toBe(code));
  });
});

describe('parts of a set', () => {
  it('subset by indices keeps their order and repeats; by label takes the class', () => {
    const set = numbered(7, [1, 1, 1]);
    const some = set.subset([6, 0, 6]);
    expect([pixels(some), some.labels.tolist(), some.classes]).toEqual([[6, 0, 6], [0, 0, 0], set.classes]);
    const ones = set.subset((label, index) => label === 1 && index > 1);
    expect([pixels(ones), [...ones.labelArray()]]).toEqual([[4], [1]]);
    expect(set.subset([]).size).toBe(0);
    expect(set.subset(new Int32Array([1])).size).toBe(1);
  });

  it.each([[[7]], [[-1]], [[0.5]], [[Number.NaN]], [['0']]])('subset refuses the indices %j', (indices) => {
    expect(failure(() => numbered(7).subset(indices as number[]))[0]).toBe('ERR_INDEX');
  });

  it('onlyClasses relabels in the order given, by index or name', () => {
    const set = numbered(7, [1, 1, 1]);
    const two = set.onlyClasses([2, 'class 0']);
    expect([two.classes, pixels(two), two.labels.tolist(), two.classCounts()]).toEqual([
      ['class 2', 'class 0'],
      [0, 2, 3, 5, 6],
      [1, 0, 1, 0, 1],
      [2, 3],
    ]);
    for (const bad of [[3], ['class 9'], [0, 0], [0.5], [-1]])
      expect(failure(() => set.onlyClasses(bad))[0]).toBe('ERR_ARGUMENT');
  });

  it('take copies the first ones and no more than there are', () => {
    const set = numbered(4, [1, 1, 1]);
    expect([pixels(set.take(2)), set.take(99).size, set.take(0).size]).toEqual([[0, 1], 4, 0]);
    expect(failure(() => set.take(-1))[0]).toBe('ERR_ARGUMENT');
    const part = set.take(2);
    set.dispose();
    expect(pixels(part)).toEqual([0, 1]);
  });

  it('split keeps images with their labels', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        fc.nat(),
        (n, fraction, seed) =>
          tidy(() => {
            const whole = numbered(n, [1, 1, 1]);
            const [one, two] = whole.split(fraction, { seed });
            expect(one.size).toBe(Math.round(n * fraction));
            const all = [...pixels(one), ...pixels(two)].sort((a, b) => a - b);
            expect(all).toEqual(pixels(whole));
            for (const part of [one, two])
              expect([...part.labelArray()]).toEqual(pixels(part).map((pixel) => pixel % 3));
            for (const set of [whole, one, two]) set.dispose();
          }),
      ),
      { numRuns: 30 },
    );
    expect(
      failure(() =>
        ImageDataset.fromArrays({ images: new Uint8Array(2), shape: [2, 1, 1] }).split(0.5, { stratified: true }),
      )[0],
    ).toBe('ERR_DATA');
  });

  it('without labels, what needs them says so', () => {
    const set = numbered(3).unlabelled('noise');
    expect([set.labels, set.name, String(set)]).toEqual([null, 'noise', 'noise: 3 images of 1×2×3, no labels, on cpu']);
    for (const call of [
      () => set.subset(() => true),
      () => set.classCounts(),
      () => set.labelArray(),
      () => set.onlyClasses([0]),
    ]) {
      expect(failure(call)).toEqual(['ERR_DATA', expect.stringContaining('noise: expected a set with labels for')]);
    }
    expect(set.take(2).labels).toBeNull();
  });
});

describe('statistics and contents', () => {
  it('statistics are exact, a number a channel, and inherited when given', () => {
    const set = ImageDataset.fromArrays({ images: [[[[0, 255]], [[51, 51]]]] });
    expect(set.statistics).toEqual({ mean: [0.5, 0.2], std: [0.5, 1] }); // 1, not 0, for a channel that is constant
    expect(set.take(0).statistics).toEqual({ mean: [0, 0], std: [1, 1] });
    const given: Statistics = { mean: [0.1], std: [0.2] };
    const own = ImageDataset.fromArrays({ images: new Uint8Array(4), shape: [4, 1, 1], statistics: given });
    for (const derived of [own.take(1), own.subset([0]), own.named('x'), own.resize(2, 2), own.unlabelled()])
      expect(derived.statistics).toEqual(given);
  });

  it('the content hash depends on shape, pixels and labels, and on nothing else', () => {
    const make = (images: Uint8Array, shape: number[], labels: number[] | null, name = 'a') =>
      ImageDataset.fromArrays({ images, shape, labels, name, classes: ['a', 'b', 'c'] }).contentHash;
    const hash = make(Uint8Array.of(1, 2), [2, 1, 1], [0, 1]);
    expect(hash).toBe('6d19538d39937661d0fed45ec8ab0af6377bdae9786180fb813b2b63f592ee17');
    expect(make(Uint8Array.of(1, 2), [2, 1, 1, 1], [0, 1], 'b')).toBe(hash);
    const others = [
      make(Uint8Array.of(1, 3), [2, 1, 1], [0, 1]),
      make(Uint8Array.of(1, 2), [2, 1, 1], [0, 2]),
      make(Uint8Array.of(1, 2), [2, 1, 1], null),
      ImageDataset.fromArrays({ images: Uint8Array.of(1, 2), shape: [1, 1, 2] }).contentHash,
    ];
    expect(new Set([hash, ...others]).size).toBe(5);
  });
});

describe('resize and asLike', () => {
  it('to the same size is a copy; sizes are checked', () => {
    const set = numbered(2, [1, 3, 3]);
    expect(pixels(set.resize(3, 3))).toEqual(pixels(set));
    expect(set.resize(5, 1).images.shape).toEqual([2, 1, 5, 1]);
    for (const size of [0, -1, 1.5, Number.NaN]) expect(failure(() => set.resize(size, 3))[0]).toBe('ERR_ARGUMENT');
  });

  it('joins its chunks in order', () => {
    const many = ImageDataset.fromArrays({
      images: Uint8Array.from({ length: 5000 }, (_, i) => i % 251),
      shape: [5000, 1, 1],
    });
    expect(pixels(many.resize(1, 2)).filter((_, i) => i % 2 === 0)).toEqual(pixels(many));
  });

  it('asLike fits channels, size and statistics, and keeps labels', () => {
    const like = ImageDataset.fromArrays({
      images: new Uint8Array(3 * 16),
      shape: [1, 3, 4, 4],
      statistics: { mean: [0, 0, 0], std: [1, 1, 1] },
    });
    const fitted = asLike(numbered(5, [1, 2, 2]), like);
    expect([fitted.shape, fitted.labels.tolist(), fitted.statistics]).toEqual([
      [3, 4, 4],
      [0, 1, 2, 0, 1],
      like.statistics,
    ]);
    const colour = ImageDataset.fromArrays({
      images: [
        [[[255]], [[0]], [[0]]],
        [[[0]], [[255]], [[0]]],
        [[[0]], [[0]], [[255]]],
        [[[9]], [[9]], [[9]]],
      ],
    });
    expect(pixels(asLike(colour, numbered(1, [1, 1, 1])))).toEqual([76, 150, 29, 9]);
    expect(failure(() => asLike(numbered(1, [2, 1, 1]), like))[0]).toBe('ERR_SHAPE');
    expect(failure(() => asLike(numbered(1), {} as ImageDataset))[0]).toBe('ERR_ARGUMENT');
  });

  const withPython = needs(python, 'a Python that has torch');
  withPython.it('resize equals PyTorch interpolate, rounded', () => {
    const sets = { small: numbered(3, [1, 8, 8]), large: numbered(2, [3, 9, 12]) };
    const sizes = [
      [28, 28],
      [5, 7],
      [16, 3],
    ] as const;
    const { expected } = runPython(
      `
      import torch.nn.functional as F
      def at(x, size, shrinks): return F.interpolate(T(x).float(), size=size, mode='bilinear', align_corners=False, antialias=shrinks).round().clamp(0, 255).byte()
      emit({'expected': [[at(x, size, size[0] < T(x).shape[2] or size[1] < T(x).shape[3]) for size in input['sizes']] + [at(x, [4, 4], False)] for x in input['sets']]})
      `,
      { sets: Object.values(sets).map(({ images }) => encode(images)), sizes },
    );
    Object.values(sets).forEach((set, i) => {
      const ours = [...sizes.map(([h, w]) => set.resize(h, w)), set.resize(4, 4, { antialias: false })];
      ours.forEach((resized, k) => {
        expect(pixels(resized)).toEqual([...decode(expected[i][k]).toArraySync()]);
      });
    });
  });
});

describe('memory', () => {
  it('a set lives outside tidy, frees itself with dispose and using, and derived sets live on', () => {
    const before = memory().tensors;
    const set = tidy(() => numbered(4));
    expect([memory().tensors, set.images.isDisposed]).toEqual([before + 2, false]);
    const derived = [
      set.take(1),
      set.subset([0]),
      set.onlyClasses([0]),
      set.named('b'),
      set.unlabelled(),
      set.resize(4, 4),
      ...set.split(0.5),
      asLike(set, set),
    ];
    void [set.statistics, set.contentHash, set.labelArray()];
    expect(memory().tensors).toBe(before + 2 + derived.length * 2 - 1);
    set.dispose();
    for (const other of derived) {
      expect(other.contentHash).toMatch(/^[0-9a-f]{64}$/);
      other.dispose();
    }
    expect(memory().tensors).toBe(before);
    {
      using scoped = numbered(2);
      expect(scoped.size).toBe(2);
    }
    expect(memory().tensors).toBe(before);
  });

  it('to() the device where it is gives itself', () => {
    const set = numbered(2);
    expect(set.to('cpu')).toBe(set);
  });
});

describe('the embedded digits', () => {
  it('are 1,437 and 360 images, every digit in proportion, the same each time', async () => {
    const { train, test } = await digits();
    expect([train.images.shape, test.images.shape]).toEqual([
      [1437, 1, 8, 8],
      [360, 1, 8, 8],
    ]);
    for (const count of test.classCounts()) expect(Math.abs(count - 36)).toBeLessThanOrEqual(1);
    const counts = train.classCounts().map((count, digit) => count + test.classCounts()[digit]!);
    expect(counts).toEqual([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]); // as scikit-learn's documentation
    expect((await digits({ split: 'test' })).contentHash).toBe(test.contentHash);
    expect((await load('digits', { split: 'train' })).contentHash).toBe(train.contentHash);
    expect(new Set(pixels(test)).size).toBe(17);
    expect([Math.min(...pixels(test)), Math.max(...pixels(test))]).toEqual([0, 255]);
  });

  it('their table is checked', () => {
    const line = `${Array(64).fill(16).join()},9`;
    const table = (lines: string[]) => gzipSync(lines.join('\n'));
    const good = Array(1797).fill(line);
    expect(parseDigits(table(good), 'x').labels[1796]).toBe(9);
    for (const [bytes, message] of [
      [Buffer.from('no gzip'), 'do not unzip'],
      [table(good.slice(1)), 'expected 1797 lines, received 1796'],
      [table(good.with(5, `${line},1`)), 'in line 6'],
      [table(good.with(7, line.replace('16', '17'))), 'in line 8'],
      [table(good.with(9, line.replace('16', 'x'))), 'in line 10'],
      [table(good.with(11, `${Array(64).fill(16).join()},10`)), 'in line 12'],
    ] as const) {
      expect(failure(() => parseDigits(bytes, 'digits.csv.gz'))).toEqual([
        'ERR_FORMAT',
        expect.stringContaining(message),
      ]);
    }
  });

  it('refuses another split or name', async () => {
    await expect(digits({ split: 'validation' as 'test' })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect((async () => load('imagenet' as 'mnist'))()).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message:
        'Expected one of fashion-mnist, mnist, kmnist, notmnist, cifar10, cifar100, digits for name but received string "imagenet"',
    });
    await expect(mnist({ split: 'train', root: 5 as unknown as string })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
    });
  });
});

describe('fromIdx', () => {
  const put = (name: string, bytes: number[]) => {
    writeFileSync(join(folder, name), Uint8Array.from(bytes));
    return join(folder, name);
  };
  const images = () => put('images', [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]);

  it('reads images with labels of any integer type, or alone', async () => {
    const labels = put('labels', [0, 0, 12, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
    const set: ImageDataset<Tensor> = await fromIdx({ images: images(), labels, classes: ['a', 'b'] });
    expect([set.images.shape, pixels(set), set.labels.tolist()]).toEqual([
      [2, 1, 1, 2],
      [1, 2, 3, 4],
      [1, 0],
    ]);
    expect((await fromIdx({ images: images() })).labels).toBeNull();
  });

  it('refuses what does not fit', async () => {
    const cases = [
      ['ERR_SHAPE', { images: images(), labels: put('three', [0, 0, 8, 1, 0, 0, 0, 3, 0, 0, 0]) }],
      ['ERR_DATA', { images: images(), labels: put('minus', [0, 0, 9, 1, 0, 0, 0, 2, 0, 255]) }],
      ['ERR_DATA', { images: images(), labels: put('nan', [0, 0, 13, 1, 0, 0, 0, 2, 0x7f, 0xc0, 0, 0, 0, 0, 0, 0]) }],
      ['ERR_DTYPE', { images: put('floats', [0, 0, 13, 1, 0, 0, 0, 0]) }],
      ['ERR_SHAPE', { images: put('flat', [0, 0, 8, 1, 0, 0, 0, 2, 1, 2]) }],
      ['ERR_FILE', { images: join(folder, 'absent') }],
    ] as const;
    for (const [code, options] of cases)
      await expect(fromIdx(options as { images: string })).rejects.toMatchObject({ code });
  });
});

const real = process.env.ISOTORCH_TEST_DATA ?? new URL('../../shared/data', import.meta.url).pathname;
needs(existsSync(join(real, 'mnist')), 'the test data (ISOTORCH_TEST_DATA)').describe('real sets', () => {
  it('MNIST by name: both splits, classes, statistics', async () => {
    const { train, test } = await mnist({ root: real, download: false });
    expect([train.images.shape, test.images.shape]).toEqual([
      [60000, 1, 28, 28],
      [10000, 1, 28, 28],
    ]);
    expect(train.classCounts()).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(train.statistics).toEqual({ mean: [0.1307], std: [0.3081] });
    const measured = new ImageDataset({ images: train.images, labels: null }).statistics;
    expect(measured.mean[0]).toBeCloseTo(0.1306604762738429, 12); // numpy
    expect(measured.std[0]).toBeCloseTo(0.30810780385646264, 12);
    for (const set of [train, test]) set.dispose();
  });

  it('KMNIST and notMNIST test sets by name', async () => {
    for (const loadSet of [kmnist, notMnist]) {
      using set = await loadSet({ root: real, split: 'test', download: false });
      expect([set.size, set.classCounts()]).toEqual([10000, Array(10).fill(1000)]);
    }
  });
});
