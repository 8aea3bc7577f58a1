// Tables from CSV and NumPy, and batches of examples of one's own: what is almost right is refused with its place.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { saveNpy } from '../lib/checkpoint/index.js';
import { parseCsv } from '../lib/data/csv.js';
import * as data from '../lib/data/index.js';
import { IsotorchError } from '../lib/errors.js';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { withFolder } from './support/checkpoints.js';

const codeOf = (fn: () => unknown): string => {
  try {
    fn();
  } catch (error) {
    return error instanceof IsotorchError ? error.code : `another: ${error}`;
  }
  return 'none';
};

const flowers = `width,height,"kind, of flower"
1.5,2,iris
2.5,4,"rose"
3.5,6,iris
4.5,8,rose
`;

describe('CSV', () => {
  it('is read as RFC 4180 has it', () => {
    expect(parseCsv('﻿a,"b ""x"""\r\n1,"two\nlines, and ""quotes"""\r\n\r\n3,\r\n', 'file')).toEqual({
      header: ['a', 'b "x"'],
      rows: [
        ['1', 'two\nlines, and "quotes"'],
        ['3', ''],
      ],
      lines: [2, 5],
    });
    expect(parseCsv('a;b\n1,5;2', 'file', ';').rows).toEqual([['1,5', '2']]);
    expect(parseCsv('a\n""\n', 'file').rows).toEqual([]);
  });

  it.each([
    ['', /names of the columns/],
    ['a,b\n1,2\n1,2,3\n', /line 3: expected 2 fields.*received 3/],
    ['a,b\n1,"2\n', /line 2: a quoted field that does not end/],
    ['a,b\n1,"2"3\n', /line 2: text after the end/],
    ['a,b\n1,2"\n', /line 2: a quote within/],
    ['a,a\n1,2\n', /two columns are called "a"/],
  ])('%j is refused', (text, message) => {
    expect(() => parseCsv(text, 'file')).toThrow(message);
    expect(codeOf(() => parseCsv(text, 'file'))).toBe('ERR_FORMAT');
  });

  const loaded = (text: string, options?: data.CsvOptions) =>
    withFolder(async (folder) => {
      const path = join(folder, 'table.csv');
      writeFileSync(path, text);
      return await data.fromCsv(path, { name: 'table', ...options });
    });

  it('becomes a table with classes, standardised by its own rows', async () => {
    using set = await loaded(flowers, { target: 'kind, of flower' });
    expect(set.columns).toEqual(['width', 'height']);
    expect(set.classes).toEqual(['iris', 'rose']);
    expect(set.labels!.tolist()).toEqual([0, 1, 0, 1]);
    expect(set.statistics).toEqual({ mean: [3, 5], std: [Math.sqrt(1.25), Math.sqrt(5)] });
    const [batch] = [...set.batches(4, { normalize: true })].map(({ inputs }) => inputs.isDisposed);
    expect(batch).toBe(true);
    for (const { inputs } of set.batches(4, { normalize: true })) {
      expect(tidy(() => inputs.mean(0).abs().max().item())).toBeLessThan(1e-6);
      expect(tidy(() => inputs.square().mean(0).sub(1).abs().max().item())).toBeLessThan(1e-6);
    }
    const [train, held] = set.split([2, 2], { seed: 1 });
    expect(train.columns).toEqual(['width', 'height']);
    expect(train.statistics).not.toEqual(set.statistics);
    expect(held.classCounts()).toEqual([1, 1]);
  });

  it('becomes a table with numbers to tell', async () => {
    using set = await loaded(flowers, { target: 'height', columns: ['width'] });
    expect(set.labels!.shape).toEqual([4, 1]);
    expect(set.labels!.dtype).toBe('float32');
    expect(set.take(2).labels!.tolist()).toEqual([[2], [4]]);
    using constant = await loaded('a\n2\n2\n');
    expect(constant.labels).toBeNull();
    expect(constant.statistics).toEqual({ mean: [2], std: [1] });
  });

  it.each<[string, data.CsvOptions, string, RegExp]>([
    ['a,b\n1,2\n,3\n', { target: 'b' }, 'ERR_DATA', /table, line 3, column a: expected a finite number, received ""/],
    ['a,b\n1,2\nInfinity,3\n', { target: 'b' }, 'ERR_DATA', /line 3, column a/],
    ['a,b\n1,x\n2,y\n', { target: 'b', labelsAre: 'values' }, 'ERR_DATA', /line 2, column b/],
    [
      'a,b\n1,x\n2,y\n',
      { target: 'b', classes: ['x'] },
      'ERR_DATA',
      /line 3, column b: expected one of x, received "y"/,
    ],
    ['a,b\n1,2\n', { target: 'c' }, 'ERR_ARGUMENT', /one of the columns a, b/],
    ['a,b\n1,2\n', { columns: ['z'] }, 'ERR_ARGUMENT', /one of the columns a, b/],
    ['a,b\n1,2\n', { delimiter: ', ' }, 'ERR_ARGUMENT', /one character/],
  ])('%j with %o is refused', async (text, options, code, message) => {
    await expect(loaded(text, options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('that is not there is ERR_FILE', async () => {
    await expect(data.fromCsv('nowhere.csv')).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

it('tables come from .npy files too', () =>
  withFolder(async (folder) => {
    const [x, y, z] = ['x', 'y', 'z'].map((name) => join(folder, `${name}.npy`)) as [string, string, string];
    await saveNpy(
      x,
      torch.tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { dtype: 'float64' },
      ),
    );
    await saveNpy(y, torch.tensor([1, 0], { dtype: 'int32' }));
    await saveNpy(z, torch.tensor([0.5, 2], { dtype: 'float64' }));
    using classes = await data.tableFromNpy({ inputs: x, labels: y });
    expect([classes.inputs.dtype, classes.labels!.tolist()]).toEqual(['float32', [1, 0]]);
    using values = await data.tableFromNpy({ inputs: x, labels: z, columns: ['a', 'b'] });
    expect([values.columns, values.labels!.tolist()]).toEqual([
      ['a', 'b'],
      [[0.5], [2]],
    ]);
    await expect(data.tableFromNpy({ inputs: y })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  }));

describe('collating', () => {
  const pair = (...tokens: number[]): data.Pair => [torch.tensor(tokens, { dtype: 'int64' }), tokens.length];

  it('stacks what is alike', () => {
    const { inputs, labels } = data.collate([pair(1, 2), pair(3, 4)]);
    expect((inputs as Tensor).tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect([labels!.dtype, labels!.tolist()]).toEqual(['int64', [2, 2]]);
    expect(data.collate([[torch.ones([2]), 0.5]]).labels!.dtype).toBe('float32');
    expect(codeOf(() => data.collate([pair(1), pair(1, 2)]))).toBe('ERR_SHAPE');
    expect(codeOf(() => data.collate([torch.ones([2])] as never))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => data.collate([pair(1), [torch.ones([1]), torch.ones([1])]]))).toBe('ERR_ARGUMENT');
  });

  it('pads sequences, and their labels where they are sequences', () => {
    const pad = data.padCollate({ paddingValue: -1, multipleOf: 4 });
    const { inputs, labels } = pad([pair(1, 2), pair(3, 4, 5)]);
    const [tokens, lengths] = inputs as [Tensor, Tensor];
    expect(tokens.tolist()).toEqual([
      [1, 2, -1, -1],
      [3, 4, 5, -1],
    ]);
    expect([lengths.tolist(), labels!.tolist()]).toEqual([
      [2, 3],
      [2, 3],
    ]);
    const tags = data.padCollate({ labelPadding: -100 });
    const sequence = torch.tensor([7, 8], { dtype: 'int64' });
    const tagged = tags([
      [sequence, sequence],
      [sequence.narrow(0, 0, 1), sequence.narrow(0, 0, 1)],
    ]);
    expect(tagged.labels!.tolist()).toEqual([
      [7, 8],
      [7, -100],
    ]);
    expect(codeOf(() => tags([pair(1)]))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => data.padCollate({ multipleOf: 0 }))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => pad([[torch.tensor(1), 1]]))).toBe('ERR_SHAPE');
  });

  it('happens in the order of the seed, from any batch on, and frees what the loop has seen', () => {
    const set: data.ExampleSet<data.Pair> = { size: 7, device: 'cpu', get: (i) => [torch.tensor([i]), i] };
    const loader = new data.CollatedLoader(set, 3, { shuffle: true, seed: 4 });
    const passes = [0, 0, 1].map((epoch) => [...loader.pass({ epoch })].length);
    expect([loader.length, passes]).toEqual([3, [3, 3, 3]]);
    const read = (at: { epoch: number; from?: number }) => {
      const seen: number[][] = [];
      for (const { labels } of loader.pass(at)) seen.push([...labels!.toArraySync()].map(Number));
      return seen;
    };
    expect(read({ epoch: 0 }).flat().sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(read({ epoch: 1 })).not.toEqual(read({ epoch: 0 }));
    expect(read({ epoch: 1, from: 2 })).toEqual(read({ epoch: 1 }).slice(2));
    expect([...loader].every(({ labels }) => labels!.isDisposed)).toBe(true);
    expect(codeOf(() => new data.CollatedLoader({} as never, 3))).toBe('ERR_ARGUMENT');
    const bad = new data.CollatedLoader(set, 3, { collate: () => ({}) as never });
    expect(codeOf(() => [...bad])).toBe('ERR_ARGUMENT');
  });
});
