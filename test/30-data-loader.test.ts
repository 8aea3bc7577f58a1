// Batches: every image once an epoch, in an order that seed and epoch alone decide; nothing drawn from LibTorch's
// generator; nothing left in memory; augmentations equal to a naive loop.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Augmentation,
  type Batch,
  type BatchOptions,
  ImageDataset,
  randomCrop,
  randomHorizontalFlip,
  SeededRandom,
  type Statistics,
  type StreamedBatch,
} from '../lib/data/index.js';
import { IsotorchError } from '../lib/errors.js';
import { capture, Feed, memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';

/** n images of one pixel each, whose value is their place in the set; the label is place mod 3. */
const numbered = (n: number) =>
  ImageDataset.fromArrays({
    images: Uint8Array.from({ length: n }, (_, i) => i),
    shape: [n, 1, 1, 1],
    labels: Array.from({ length: n }, (_, i) => i % 3),
    classes: ['0', '1', '2'],
  });

const values = (tensor: Tensor) => Array.from(tensor.toArraySync(), Number);
const orderOf = (set: ImageDataset, batchSize: number, options: BatchOptions) => {
  const order: number[] = [];
  for (const { indices } of set.batches(batchSize, options)) order.push(...values(indices));
  return order;
};

function failure(attempt: () => unknown): [string, string] {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(IsotorchError);
    return [(error as IsotorchError).code, (error as IsotorchError).message];
  }
  throw new Error('no error was thrown');
}

describe('batches', () => {
  it('hold every image once with its label and place, whatever the sizes and options', () => {
    const anyCase = fc.record({
      n: fc.integer({ min: 0, max: 50 }),
      size: fc.integer({ min: 1, max: 60 }),
      shuffle: fc.boolean(),
      dropLast: fc.boolean(),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(anyCase, ({ n, size, ...options }) => {
        using set = numbered(n);
        const loader = set.batches(size, options);
        const seen: number[] = [];
        let count = 0;
        for (const { images, labels, indices, size: got } of loader) {
          count++;
          const places = values(indices);
          expect([images.dtype, labels.dtype, indices.dtype]).toEqual(['uint8', 'int64', 'int64']);
          expect([images.shape, labels.shape, got]).toEqual([[got, 1, 1, 1], [got], places.length]);
          expect(values(images)).toEqual(places);
          expect(values(labels)).toEqual(places.map((place) => place % 3));
          expect(got).toBe(count < Math.ceil(n / size) || n % size === 0 || options.dropLast ? size : n % size);
          seen.push(...places);
        }
        expect(count).toBe(loader.length);
        expect(count).toBe(options.dropLast ? Math.floor(n / size) : Math.ceil(n / size));
        const expected = Array.from({ length: options.dropLast ? count * size : n }, (_, i) => i);
        if (!options.shuffle) expect(seen).toEqual(expected);
        else if (!options.dropLast) expect([...seen].sort((a, b) => a - b)).toEqual(expected);
        expect(new Set(seen).size).toBe(seen.length);
      }),
    );
  });

  it('of a set without labels have none', () => {
    for (const { labels } of numbered(3).unlabelled().batches(2)) expect(labels).toBeNull();
  });

  it.each([
    [0, {}],
    [-1, {}],
    [1.5, {}],
    [Number.NaN, {}],
    ['8', {}],
    [1, { seed: -1 }],
    [1, { epoch: 0.5 }],
    [1, { augment: [3] }],
  ])('refuse batch size %j with %j', (size, options) => {
    expect(failure(() => numbered(3).batches(size as number, options as BatchOptions))[0]).toBe('ERR_ARGUMENT');
  });
});

describe('the order', () => {
  it('is the same for the same seed and epoch, and fixed for all time', () => {
    const options = { shuffle: true, seed: 0, epoch: 0 };
    expect(orderOf(numbered(10), 3, options)).toEqual([4, 3, 7, 1, 8, 0, 6, 2, 9, 5]);
    expect(orderOf(numbered(10), 10, options)).toEqual([4, 3, 7, 1, 8, 0, 6, 2, 9, 5]); // whatever the batch size
    expect(orderOf(numbered(10), 3, { ...options, epoch: 1 })).toEqual([9, 4, 7, 1, 2, 6, 3, 0, 8, 5]);
  });

  it('differs between epochs and seeds', () => {
    const set = numbered(30);
    const orders = [0, 1, 2].flatMap((seed) =>
      [0, 1, 2].map((epoch) => orderOf(set, 7, { shuffle: true, seed, epoch }).join()),
    );
    expect(new Set(orders).size).toBe(9);
  });

  it('without an epoch, each pass takes the next one, with one loader or many', () => {
    const set = numbered(30);
    const wanted = [0, 1, 2, 3].map((epoch) => orderOf(numbered(30), 7, { shuffle: true, epoch }));
    const loader = set.batches(7, { shuffle: true });
    const pass = () => [...loader].length && undefined;
    expect(orderOf(set, 7, { shuffle: true })).toEqual(wanted[0]);
    pass();
    expect(orderOf(set, 7, {})).toEqual(Array.from({ length: 30 }, (_, i) => i)); // unshuffled passes don't count
    expect(orderOf(set, 7, { shuffle: true, epoch: 9 })).toHaveLength(30); // nor do those that name theirs
    expect(orderOf(set, 7, { shuffle: true })).toEqual(wanted[2]);
    expect(orderOf(set, 7, { shuffle: true })).toEqual(wanted[3]);
  });

  it("takes nothing from LibTorch's generator, nor does its state matter", () => {
    const set = numbered(20);
    const options = { shuffle: true, seed: 4, epoch: 4, augment: [randomHorizontalFlip()] };
    torch.manualSeed(1);
    const order = orderOf(set, 6, options);
    const after = values(torch.rand([4]));
    torch.manualSeed(1);
    expect(values(torch.rand([4]))).toEqual(after);
    torch.manualSeed(2);
    expect(orderOf(set, 6, options)).toEqual(order);
  });
});

describe('memory', () => {
  it('a pass leaves nothing: read through, left early, thrown out of, inside tidy and outside', () => {
    const set = numbered(40);
    const options = {
      shuffle: true,
      augment: [randomCrop(1, 1), randomHorizontalFlip()],
      normalize: { mean: [0.5], std: [2] },
    };
    const all = () => {
      for (const batch of set.batches(7, options)) expect(batch.size).toBeGreaterThan(0);
    };
    const before = memory();
    all();
    expect(memory()).toEqual(before);
    tidy(all);
    tidy(() => {
      for (const _ of set.batches(7, options)) break;
    });
    expect(memory()).toEqual(before);
    const thrown = failure(() =>
      tidy(() => {
        for (const _ of set.batches(7, options)) throw new IsotorchError('ERR_ABORTED', 'enough');
      }),
    );
    expect(thrown[0]).toBe('ERR_ABORTED');
    expect(memory()).toEqual(before);
  });

  it('holds one batch at a time', () => {
    const set = numbered(40);
    const before = memory().tensors;
    for (const _ of set.batches(7, { shuffle: true })) expect(memory().tensors).toBe(before + 4); // order, images, labels, indices
  });

  it('is lazy: nothing is made before the first batch is asked for', () => {
    const set = numbered(10);
    const before = memory();
    const iterator = set.batches(3, { shuffle: true })[Symbol.iterator]();
    expect(memory()).toEqual(before);
    iterator.next();
    iterator.return();
  });

  it('keep() gives a batch to you; a batch in hand when the loop is left stays', () => {
    const set = numbered(10);
    const before = memory().tensors;
    const kept: Batch<Tensor>[] = [];
    for (const batch of set.batches(4)) if (kept.length < 2) kept.push(batch.keep());
    expect(kept.map(({ images }) => values(images))).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    for (const batch of kept) batch.dispose();
    const [first] = set.batches(4);
    expect(values(first!.labels)).toEqual([0, 1, 2, 0]);
    first!.dispose();
    first!.dispose();
    expect(memory().tensors).toBe(before);
    const collected = [...set.batches(4)];
    expect(failure(() => collected[0]!.images.toArraySync())[0]).toBe('ERR_TENSOR_DISPOSED');
  });

  it('batches that the loop has disposed of itself do no harm', () => {
    for (const batch of numbered(10).batches(4)) {
      batch.images.dispose();
      batch[Symbol.dispose]();
    }
  });
});

describe('picks', () => {
  const set = () =>
    ImageDataset.fromArrays({
      images: Uint8Array.from({ length: 23 * 3 * 36 }, (_, i) => (i * 7) % 251),
      shape: [23, 3, 6, 6],
      labels: Array.from({ length: 23 }, (_, i) => i % 4),
      statistics: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
    });
  const options = { shuffle: true, seed: 3, augment: [randomCrop(6, 2), randomHorizontalFlip()], normalize: true };
  const contents = ({ images, labels, indices }: { images: Tensor; labels: Tensor | null; indices: Tensor }) =>
    [images, labels!, indices].map((tensor) => values(tensor).join());

  it('give the batches of the pass, eagerly and in a captured step, bit for bit', async () => {
    const loader = set().batches(5, options);
    for (const epoch of [0, 1]) {
      const batches: string[][] = [];
      for (const batch of set().batches(5, { ...options, epoch })) batches.push(contents(batch));
      const gathered: string[][] = [];
      for (const picks of loader.picks({ epoch })) tidy(() => gathered.push(contents(loader.gather(picks))));
      expect(gathered).toEqual(batches);
      const step = capture((picks: Tensor) => loader.gather(picks));
      const captured: string[][] = [];
      for (const picks of loader.picks({ epoch })) captured.push(contents(await step(picks)));
      expect(captured).toEqual(batches);
      expect(step.recordings).toBe(2); // the last batch is smaller
    }
  });

  it('begin in the middle, and leave nothing behind', () => {
    const loader = set().batches(5, options);
    const before = memory().tensors;
    const all = Array.from(loader.picks({ epoch: 2 }), (picks) => values(picks).join());
    expect(all.length).toBe(5);
    expect(Array.from(loader.picks({ epoch: 2, from: 3 }), (picks) => values(picks).join())).toEqual(all.slice(3));
    for (const _ of loader.picks()) break;
    expect(memory().tensors).toBe(before);
  });

  it('a function of one’s own may stand among the augmentations', () => {
    const inverted = set().batches(23, { augment: [(images) => images.bitwiseNot(), randomCrop(6)] });
    for (const { images } of inverted) expect(values(images)[0]).toBe(255);
    expect(failure(() => set().batches(2, { augment: [{ draw: 1 } as never] }))[0]).toBe('ERR_ARGUMENT');
  });
});

describe('stream', () => {
  const set = () =>
    ImageDataset.fromArrays({
      images: Uint8Array.from({ length: 23 * 3 * 36 }, (_, i) => (i * 7) % 251),
      shape: [23, 3, 6, 6],
      labels: Array.from({ length: 23 }, (_, i) => i % 4),
    });
  const options = { shuffle: true, seed: 3, augment: [randomCrop(6, 2), randomHorizontalFlip()], normalize: true };

  it('gives the batches of the pass, into a captured step too', async () => {
    const loader = set().batches(5, options);
    const step = capture(({ images, labels, picks }: StreamedBatch<Tensor>) => ({
      images: loader.prepare(images, picks),
      labels: labels.alias(),
    }));
    for (const ahead of [1, 2, 10]) {
      const wanted: string[] = [];
      for (const picks of loader.picks({ epoch: ahead, from: 1 }))
        tidy(() => {
          const { images, labels } = loader.gather(picks);
          wanted.push(values(images).join(), values(labels).join());
        });
      const seen: string[] = [];
      for await (const batch of loader.stream({ epoch: ahead, from: 1, ahead })) {
        const { images, labels } = await step(batch);
        seen.push(values(images).join(), values(labels).join());
      }
      expect(seen).toEqual(wanted);
    }
    const { labels } = await set()
      .batches(8, { dropLast: true, ...options })
      .stream()
      .next()
      .then(({ value }) => value!);
    expect(labels.shape).toEqual([8]);
  });

  it('can be left early, leaves nothing behind, and serves sets without labels', async () => {
    const loader = set().unlabelled().batches(4);
    const before = memory().tensors;
    for await (const { images, labels } of loader.stream()) {
      expect([images.shape, labels]).toEqual([[4, 3, 6, 6], null]);
      break;
    }
    for await (const { picks } of loader.stream()) expect(picks.shape[0]).toBe(1);
    expect(memory().tensors).toBe(before);
  });

  it('refuses what is no plan, in words, and tells a row that is not there', async () => {
    const sources = [torch.zeros([3, 2])];
    const plan = torch.tensor([[0, 1, 7]]);
    const feed = new Feed(sources, plan, { batch: 2, from: 0, count: 2, ahead: 1, device: 'cpu' });
    expect((await feed.next())!.map((tensor) => tensor.shape)).toEqual([
      [2, 2],
      [1, 2],
    ]);
    await expect(feed.next()).rejects.toMatchObject({
      code: 'ERR_INDEX',
      message: expect.stringContaining('received 7'),
    });
    feed.end();
    await expect(feed.next()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    for (const [wrong, its] of [
      [plan.to('float32'), {}],
      [plan.select(0, 0), {}],
      [plan, { batch: 0 }],
      [plan, { count: 9 }],
      [plan, { ahead: 0 }],
    ] as const)
      expect(
        failure(() => new Feed(sources, wrong, { batch: 2, from: 0, count: 2, ahead: 1, device: 'cpu', ...its }))[0],
      ).toBe('ERR_ARGUMENT');
    expect(
      failure(() => new Feed(sources, plan, { batch: 2, from: 0, count: 2, ahead: 1, device: 'x' as 'cpu' }))[0],
    ).toBe('ERR_DEVICE');
  });

  it('a closed stream settles what it owes', async () => {
    const feed = new Feed([torch.zeros([8, 2])], torch.arange(8).unsqueeze(0), {
      batch: 1,
      from: 0,
      count: 8,
      ahead: 1,
      device: 'cpu',
    });
    const first = feed.next();
    expect(await Promise.allSettled([first, feed.next()]).then((all) => all[0]!.status)).toBe('fulfilled');
    feed.end();
  });
});

describe('normalize', () => {
  const statistics: Statistics = { mean: [0.5], std: [0.25] };

  it('gives float32 after the augmentations, by given statistics or the set’s own', () => {
    const set = ImageDataset.fromArrays({ images: Uint8Array.of(0, 51, 255), shape: [3, 1, 1], statistics });
    for (const normalize of [true, statistics]) {
      for (const { images } of set.batches(3, { normalize })) {
        expect(images.dtype).toBe('float32');
        expect(values(images)).toEqual([-2, Math.fround(Math.fround(Math.fround(0.2) - 0.5) / 0.25), 2]);
      }
    }
    const seen: string[] = [];
    const spy = (images: Tensor) => {
      seen.push(images.dtype);
      return images;
    };
    for (const _ of set.batches(3, { normalize: true, augment: [spy] }));
    expect(seen).toEqual(['uint8']);
  });
});

/** Draws and applies, as a loader does. */
const augmented = (step: Augmentation, images: Tensor, random: SeededRandom): Tensor => {
  const drawn = step.draw(images.shape.slice(1) as unknown as [number, number, number], images.shape[0]!, random);
  return step.apply(
    images,
    drawn.map((row) => torch.tensor(row, { dtype: 'int64' })),
  );
};

describe('augmentations equal a naive loop', () => {
  const anyImages = fc
    .tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 7 }),
    )
    .chain((shape) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return fc.record({
        shape: fc.constant(shape),
        pixels: fc.uint8Array({ minLength: length, maxLength: length }),
        seed: fc.nat(),
      });
    });

  it('randomCrop', () => {
    const anyCrop = fc.tuple(
      anyImages,
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
    );
    fc.assert(
      fc.property(anyCrop, ([{ shape, pixels, seed }, padding, height, width]) =>
        tidy(() => {
          const [n, c, h, w] = shape;
          fc.pre(height <= h + 2 * padding && width <= w + 2 * padding);
          const images = torch.fromBuffer(pixels, { dtype: 'uint8', shape });
          const cropped = augmented(randomCrop([height, width], padding), images, new SeededRandom('t', seed));
          expect([cropped.shape, cropped.dtype]).toEqual([[n, c, height, width], 'uint8']);
          const random = new SeededRandom('t', seed);
          const expected: number[] = [];
          for (let i = 0; i < n; i++) {
            const top = random.below(h + 2 * padding - height + 1) - padding;
            const left = random.below(w + 2 * padding - width + 1) - padding;
            for (let k = 0; k < c; k++) {
              for (let y = top; y < top + height; y++) {
                for (let x = left; x < left + width; x++) {
                  const inside = y >= 0 && y < h && x >= 0 && x < w;
                  expected.push(inside ? pixels[((i * c + k) * h + y) * w + x]! : 0);
                }
              }
            }
          }
          expect(values(cropped)).toEqual(expected);
          expect(values(images)).toEqual([...pixels]);
        }),
      ),
    );
  });

  it('randomHorizontalFlip', () => {
    fc.assert(
      fc.property(anyImages, fc.double({ min: 0, max: 1, noNaN: true }), ({ shape, pixels, seed }, p) =>
        tidy(() => {
          const [n, c, h, w] = shape;
          const flipped = augmented(
            randomHorizontalFlip(p),
            torch.fromBuffer(pixels, { dtype: 'uint8', shape }),
            new SeededRandom('t', seed),
          );
          const random = new SeededRandom('t', seed);
          const expected: number[] = [];
          for (let i = 0; i < n; i++) {
            const mirror = random.uniform() < p;
            for (let row = i * c * h; row < (i + 1) * c * h; row++) {
              const line = [...pixels.subarray(row * w, (row + 1) * w)];
              expected.push(...(mirror ? line.reverse() : line));
            }
          }
          expect(values(flipped)).toEqual(expected);
        }),
      ),
    );
  });

  it('copy rows on the CPU and index elsewhere, to the same pixels, and refuse a place that is outside', () => {
    tidy(() => {
      const { window, mirror } = torch.ops.isotorch;
      const images = torch.randint(256, [4, 3, 5, 6], { dtype: 'uint8' });
      const [tops, lefts, chosen] = [
        [0, 1, 2, 3],
        [3, 0, 2, 1],
        [0, 1, 1, 0],
      ].map((row) => torch.tensor(row));
      // float32 takes the general way
      const general = randomCrop([4, 5], 1).apply(images.to('float32'), [tops!, lefts!]);
      expect(values(window(images, tops!, lefts!, 1, 4, 5))).toEqual(values(general));
      const strided = images.to({ memoryFormat: 'channels_last' });
      expect(values(window(strided, tops!, lefts!, 1, 4, 5))).toEqual(values(general));
      const flipped = randomHorizontalFlip().apply(images.to('float32'), [chosen!]);
      expect(values(mirror(images, chosen!))).toEqual(values(flipped));
      expect(failure(() => window(images, tops!.add(1), lefts!, 1, 4, 5))[0]).toBe('ERR_INDEX');
      expect(failure(() => window(images, tops!, lefts!.neg(), 1, 4, 5))[0]).toBe('ERR_INDEX');
      expect(failure(() => window(images, tops!, lefts!.narrow(0, 0, 3), 1, 4, 5))[0]).toBe('ERR_SHAPE');
      expect(failure(() => window(images, tops!, lefts!, 0, 6, 5))[0]).toBe('ERR_LIBTORCH');
      expect(failure(() => mirror(images.to('float32'), chosen!))[0]).toBe('ERR_SHAPE');
      expect(window(images.narrow(0, 0, 0), tops!.narrow(0, 0, 0), lefts!.narrow(0, 0, 0), 1, 4, 5).shape).toEqual([
        0, 3, 4, 5,
      ]);
    });
  });

  it('all windows come equally often, and about half the images are mirrored', () => {
    const n = 9000;
    const counts = new Map<string, number>();
    tidy(() => {
      const images = torch
        .tensor(Uint8Array.of(1, 2, 3, 4))
        .view([1, 1, 2, 2])
        .expand([n, 1, 2, 2]);
      const flat = values(augmented(randomCrop(2, 1), images, new SeededRandom('t', 1)));
      for (let i = 0; i < n; i++) {
        const key = flat.slice(4 * i, 4 * i + 4).join();
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      const mirrored = values(augmented(randomHorizontalFlip(), images, new SeededRandom('t', 2))).filter(
        (v, i) => i % 4 === 0 && v === 2,
      ).length;
      expect(Math.abs(mirrored - n / 2)).toBeLessThan(5 * Math.sqrt(n / 4));
    });
    expect(counts.size).toBe(9);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });

  it('in a loader they depend on seed, epoch and place in the pass, and on nothing else', () => {
    const set = ImageDataset.fromArrays({
      images: Uint8Array.from({ length: 20 * 64 }, (_, i) => i % 255),
      shape: [20, 8, 8],
    });
    const pass = (options: BatchOptions) => {
      const seen: number[] = [];
      for (const { images } of set.batches(6, { augment: [randomCrop(8, 2), randomHorizontalFlip()], ...options }))
        seen.push(...values(images));
      return seen.join();
    };
    expect(pass({ seed: 1, epoch: 1 })).toBe(pass({ seed: 1, epoch: 1 }));
    const cropped = (batchSize: number) => {
      const loader = set.batches(batchSize, { shuffle: true, epoch: 3, augment: [randomCrop(6)] });
      return [...loader].length === 0 ? '' : pieces(loader);
    };
    const pieces = (loader: Iterable<Batch>) => {
      const seen: number[] = [];
      for (const { images } of loader) seen.push(...values(images));
      return seen.join();
    };
    expect(cropped(6)).toBe(cropped(20)); // whatever the batch size
    expect(new Set([pass({ seed: 1, epoch: 1 }), pass({ seed: 1, epoch: 2 }), pass({ seed: 2, epoch: 1 })]).size).toBe(
      3,
    );
  });

  it('refuse what does not fit', () => {
    tidy(() => {
      const images = torch.zeros([2, 1, 4, 4], { dtype: 'uint8' });
      const random = new SeededRandom('t');
      expect(failure(() => augmented(randomCrop(9, 2), images, random))).toEqual([
        'ERR_SHAPE',
        'randomCrop: expected images of at least 9×9 with their padding of 2, received 4×4',
      ]);
      for (const augment of [randomCrop(2), randomHorizontalFlip()])
        expect(failure(() => augment.apply(images.select(0, 0), [torch.zeros([1]), torch.zeros([1])]))[0]).toBe(
          'ERR_SHAPE',
        );
      const set = new ImageDataset({ images: images.clone(), labels: null });
      expect(failure(() => set.batches(1, { augment: [randomCrop(9, 2)] }))[0]).toBe('ERR_SHAPE');
      const loader = set.batches(1, { augment: [randomCrop(3)] });
      expect(failure(() => loader.gather(torch.zeros([1, 1], { dtype: 'int64' })))[0]).toBe('ERR_SHAPE');
    });
    for (const make of [
      () => randomCrop(0),
      () => randomCrop(2.5),
      () => randomCrop(4, -1),
      () => randomHorizontalFlip(1.1),
      () => randomHorizontalFlip(Number.NaN),
    ]) {
      expect(failure(make)[0]).toBe('ERR_ARGUMENT');
    }
  });
});
