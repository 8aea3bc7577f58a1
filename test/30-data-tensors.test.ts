// Data of any shape: tensors with a length are a data set as images are, to cut, to gather, to train on and to measure.

import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Dataset, ImageDataset, load, TensorDataset } from '../lib/data/index.js';
import { SoftMaxLoss } from '../lib/losses/index.js';
import { Linear } from '../lib/nn/index.js';
import { entropic, evaluate } from '../lib/ood/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { fit } from '../lib/training/fit.js';
import { liveTensors } from './support/live.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-tensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Vectors whose largest coordinate says the class. */
function vectors(count: number, seed = 0): TensorDataset<Tensor> {
  torch.manualSeed(seed);
  const inputs = torch.randn([count, 4]);
  return new TensorDataset({ inputs, labels: inputs.narrow(1, 0, 3).argmax(1), name: 'vectors' });
}
const codeOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return 'no error';
};

describe('tensors of any shape', () => {
  it('are cut as images are, and leave nothing behind', async () => {
    const before = await liveTensors();
    {
      using set = vectors(30);
      expect([set.size, set.shape, set.classes, String(set)]).toEqual([
        30,
        [4],
        ['0', '1', '2'],
        'vectors: 30 examples of 4, 3 classes, on cpu',
      ]);
      const counts = set.classCounts();
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
      using first = set.take(7);
      expect(first.inputs.tolist()).toEqual(set.inputs.narrow(0, 0, 7).tolist());
      using known = set.onlyClasses([2, 0]);
      expect([known.size, known.classes]).toEqual([counts[2]! + counts[0]!, ['2', '0']]);
      const parts = set.split([20, 10], { seed: 1 });
      expect(parts.map(({ size }) => size)).toEqual([20, 10]);
      for (const part of parts) part.dispose();
      const hash = set.contentHash;
      using same = vectors(30);
      expect(await same.hashContent()).toBe(hash);
      using other = vectors(30, 1);
      expect(other.contentHash).not.toBe(hash);
    }
    expect(await liveTensors()).toBe(before);
  });

  it('come in batches, sequences with a label a step too', () => {
    const inputs = torch.arange(24, { dtype: 'int64' }).view([6, 4]);
    using set = new TensorDataset({ inputs, labels: inputs.add(1) });
    const seen: unknown[] = [];
    for (const { inputs, labels, size } of set.batches(4, { shuffle: true, seed: 3, augment: [(rows) => rows.mul(2)] }))
      seen.push([size, inputs.shape, labels.mul(2).sub(inputs).eq(2).all().item()]);
    expect(seen).toEqual([
      [4, [4, 4], true],
      [2, [2, 4], true],
    ]);
    expect(codeOf(() => set.classCounts())).toBe('ERR_DATA');
    expect(codeOf(() => [...set.batches(2, { normalize: true })])).toBe('ERR_ARGUMENT');
  });

  it('are what they should be', () => {
    const inputs = torch.zeros([3, 2]);
    const of = (labels: Tensor) => codeOf(() => new TensorDataset({ inputs, labels }));
    expect(of(torch.zeros([3]))).toBe('ERR_DTYPE');
    expect(of(torch.zeros([2], { dtype: 'int64' }))).toBe('ERR_SHAPE');
    expect(of(torch.tensor([0, -1, 0], { dtype: 'int64' }))).toBe('ERR_DATA');
    expect(codeOf(() => new TensorDataset({ inputs: torch.tensor(1), labels: null }))).toBe('ERR_SHAPE');
  });

  it('train a network and measure it, captured', async () => {
    using train = vectors(600);
    using validation = vectors(100, 1);
    const model = new Linear(4, 3);
    const { epochs } = await fit({ model, criterion: new SoftMaxLoss(), train, validation, epochs: 5, batchSize: 50 });
    expect(epochs.at(-1)!.validation!.accuracy).toBeGreaterThan(0.9);
    using far = new TensorDataset({ inputs: torch.randn([50, 4]).mul(0.01), labels: null, name: 'zeros' });
    const { results } = await evaluate(model, { id: validation, ood: { far }, scores: [entropic()] });
    expect(results[0]!.accuracy).toBeGreaterThan(0.9);
    expect(results[0]!.auroc).toBeGreaterThan(0.9);
  });
});

describe('images', () => {
  it('are one kind of them', () => {
    const set: Dataset<Tensor> = ImageDataset.fromArrays({ images: [[[0, 255]]], labels: [0] });
    expect(set.inputs.shape).toEqual([1, 1, 1, 2]);
    expect(set.statistics).toEqual({ mean: [0.5], std: [0.5] });
  });

  it('in colour load by name as grey ones do', async () => {
    mkdirSync(join(folder, 'cifar-10'));
    const file = join(folder, 'cifar-10', 'test_batch.bin');
    closeSync(openSync(file, 'w'));
    truncateSync(file, 10_000 * 3073);
    using set = await load('cifar10', { split: 'test', root: folder });
    expect(set.toString()).toBe('cifar-10: 10000 images of 3×32×32, 10 classes, on cpu');
    await expect(load('cifar100', { split: 'test', root: folder })).rejects.toMatchObject({ code: 'ERR_DATA' });
  });
});
