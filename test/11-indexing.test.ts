// Indexing as in Python: examples, and two thousand random expressions, read and assigned, beside PyTorch's own brackets.

import { describe, expect, it } from 'vitest';
import { IsotorchError } from '../lib/errors.js';
import { capture, type Index, memory, type Scalar, slice, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { randomFrom } from './support/checkpoints.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const x = torch.arange(24).view(2, 3, 4);

describe('x.at', () => {
  it('takes integers, slices, the ellipsis and new axes as views', () => {
    expect(x.at(1, -1, 0).item()).toBe(20);
    expect(x.at(0, '1:', '::2').tolist()).toEqual([
      [4, 6],
      [8, 10],
    ]);
    expect(x.at('...', slice(-2, null)).shape).toEqual([2, 3, 2]);
    expect(x.at(null, '...', null, 0).shape).toEqual([1, 2, 3, 1]);
    const view = x.at('...', 1);
    expect(view.storage().id).toBe(x.storage().id);
    expect(x.at('...')).not.toBe(x);
    const n = 3;
    expect(x.at(0, `1:${n}`).shape).toEqual([2, 4]);
  });

  it('takes masks, tensors and arrays as copies', () => {
    expect(x.at(x.gt(20)).tolist()).toEqual([21, 22, 23]);
    expect(x.at([0, 1], [2, 0]).tolist()).toEqual([x.at(0, 2).tolist(), x.at(1, 0).tolist()]);
    expect(x.at([[0], [1]], torch.tensor([0, 2]), ':').shape).toEqual([2, 2, 4]);
    expect(x.at(':', 0, [true, false, true, false]).tolist()).toEqual([
      [0, 2],
      [12, 14],
    ]);
    expect(x.at([0], ':', [1]).shape).toEqual([1, 3]); // tensors apart: their dimension comes first
  });

  it('keeps gradients', () => {
    const w = torch.ones([3, 3], { requiresGrad: true });
    w.at([0, 0], ':').sum().add(w.at(1, '1:').sum()).backward();
    expect(w.grad?.tolist()).toEqual([
      [2, 2, 2],
      [0, 1, 1],
      [0, 0, 0],
    ]);
  });

  it('leaves nothing behind but its result', () => {
    const mask = x.gt(3);
    const before = memory().tensors;
    for (const indices of [[0, '1:', null], [mask], [true, [0, 1], '...']] as Index[][])
      tidy(() => void x.at(...indices));
    const results = [x.at(0, '1:', null), x.at(0, [1, 2], true), torch.zeros(3).setAt([null, '1:'], 2)];
    expect(() => x.at(0, '1:', 7, [0])).toThrow(IsotorchError);
    expect(memory().tensors - before).toBe(results.length);
    for (const result of results) result.dispose();
  });

  it('is recorded by captured steps', async () => {
    const rows = torch.tensor([2, 0]);
    const step = capture((y: Tensor) => {
      const z = y.at(rows, '1:').mul(2);
      y.setAt([0, '::2'], -1);
      return { z, row: y.at(0, null).clone() };
    });
    for (const start of [0, 10, 20]) {
      const y = torch.arange(start, start + 9).view(3, 3);
      const [last, first] = [y.at(2, '1:').mul(2).tolist(), y.at(0, '1:').mul(2).tolist()];
      const { z, row } = await step(y);
      expect([z.tolist(), row.tolist()]).toEqual([[last, first], [[-1, start + 1, -1]]]);
    }
  });

  const wrong: [string, () => unknown, string][] = [
    ['an integer outside', () => x.at(2), 'ERR_INDEX'],
    ['more indices than dimensions', () => x.at(0, 0, 0, 0), 'ERR_INDEX'],
    ['more slices than dimensions', () => x.at(':', ':', ':', ':'), 'ERR_INDEX'],
    ['an integer for no dimension', () => torch.tensor(1).at(0), 'ERR_INDEX'],
    ['a fraction', () => x.at(0.5), 'ERR_ARGUMENT'],
    ['a slice of fractions', () => x.at('0:1.5' as Index), 'ERR_ARGUMENT'],
    ['a step backwards', () => x.at('::-1'), 'ERR_ARGUMENT'],
    ['undefined', () => x.at(undefined as unknown as Index), 'ERR_ARGUMENT'],
    ['a tensor of fractions', () => x.at(torch.tensor([0.5])), 'ERR_INDEX'],
    ['a value that is a string', () => x.setAt(0, '1' as unknown as Scalar), 'ERR_ARGUMENT'],
    ['a value of another shape', () => x.setAt(0, torch.zeros([5], { dtype: 'int64' })), 'ERR_SHAPE'],
  ];
  for (const [what, call, code] of wrong) {
    it(`refuses ${what}`, () => expect(call).toThrow(expect.objectContaining({ code })));
  }
});

describe('x.setAt', () => {
  it('writes numbers and tensors', () => {
    const y = torch.zeros(3, 4);
    expect(y.setAt(0, 1)).toBe(y);
    y.setAt(['1:', 2], torch.tensor([5, 6]));
    y.setAt([[1, 2], 0], 7).setAt(y.eq(0), -1);
    expect(y.tolist()).toEqual([
      [1, 1, 1, 1],
      [7, -1, 5, -1],
      [7, -1, 6, -1],
    ]);
  });
});

type Json = ReturnType<typeof encode>;
type Item =
  | { int: number }
  | { slice: (number | null)[] }
  | { list: unknown[] }
  | { tensor: Json }
  | { bool: boolean }
  | { ellipsis: true }
  | { none: true };
interface Case {
  base: Json;
  items: Item[];
  /** One index outside of a tuple. */
  bare: boolean;
  value: null | { tensor: Json } | { number: number };
}

const seed = 20_260_713;
/** Without indices, values and bases that only a compiler could like. */
function draw(random: () => number): Case & { indices: Index[]; given: Tensor | number | null } {
  const upTo = (n: number) => Math.floor(random() * (n + 1));
  const pick = <T>(values: readonly T[]): T => values[upTo(values.length - 1)]!;
  const ndim = pick([0, 1, 1, 2, 2, 2, 3, 3, 4]);
  const shape = Array.from({ length: ndim }, () => pick([0, 1, 2, 3, 3, 4, 5]));
  const base = torch
    .arange(shape.reduce((a, b) => a * b, 1))
    .view(shape)
    .to(pick(['int64', 'float32', 'float64']));
  const common = Array.from({ length: upTo(2) }, () => 1 + upTo(2));
  const indices: Index[] = [];
  const items: Item[] = [];
  let dim = 0;
  const add = (index: Index, item: Item) => {
    indices.push(index);
    items.push(item);
  };
  const wanted = random() < 0.05 ? ndim + 1 : upTo(ndim);
  let ellipsis = false;
  while (dim < wanted || (items.length === 0 && random() < 0.95)) {
    const size = shape[dim] ?? 2;
    const somewhere = () => upTo(2 * size + 1) - size - (random() < 0.1 ? 1 : 0);
    const inside = () => (size === 0 || random() < 0.02 ? somewhere() : upTo(size - 1) - (random() < 0.3 ? size : 0));
    const kind = random();
    if (kind < 0.2) {
      const int = inside();
      add(int, { int });
      dim++;
    } else if (kind < 0.5) {
      const bound = () => (random() < 0.4 ? null : somewhere());
      const step = random() < 0.6 ? null : random() < 0.03 ? -upTo(1) : 1 + upTo(2);
      const parts: (number | null)[] = [bound(), bound(), step];
      const text = parts.map((part) => part ?? '').join(':') as '::';
      let index: Index = text;
      if (random() < 0.5 && (step === null || step > 0)) index = slice(...parts);
      add(index, { slice: parts });
      dim++;
    } else if (kind < 0.58) {
      add(null, { none: true });
    } else if (kind < 0.66 && (!ellipsis || random() < 0.1)) {
      ellipsis = true;
      add('...', { ellipsis: true });
      if (random() < 0.7) dim += upTo(Math.max(0, wanted - dim));
    } else if (kind < 0.69) {
      const bool = random() < 0.7;
      add(bool, { bool });
    } else if (kind < 0.82) {
      // A mask of one dimension or more.
      const over = random() < 0.05 ? [size + 1] : shape.slice(dim, dim + 1 + upTo(1));
      const mask = torch.tensor(Array.from({ length: over.reduce((a, b) => a * b, 1) }, () => random() < 0.5));
      const masks = mask.view(over).to('bool');
      add(masks, { tensor: encode(masks) });
      dim += Math.max(1, over.length);
    } else if (kind < 0.94) {
      const of = random() < 0.15 ? [] : random() < 0.05 ? [upTo(3)] : common.map((n) => (random() < 0.2 ? 1 : n));
      const values = Array.from({ length: of.reduce((a, b) => a * b, 1) }, inside);
      const index = torch.tensor(values, {
        dtype: pick(['int64', 'int64', 'int32', 'uint8']) === 'int32' ? 'int32' : 'int64',
      });
      const shaped = index.view(of);
      add(shaped, { tensor: encode(shaped) });
      dim++;
    } else {
      const list = Array.from({ length: common.at(-1) ?? 1 }, inside);
      add(list, { list });
      dim++;
    }
  }
  const bare = items.length === 1 && random() < 0.5;
  let given: Tensor | number | null = null;
  let value: Case['value'] = null;
  if (random() < 0.5) {
    if (random() < 0.3) {
      given = upTo(9) + 0.5;
      value = { number: given };
    } else {
      let target: readonly number[] = [2];
      try {
        target = base.at(...indices).shape;
      } catch {
        // Python will refuse it too.
      }
      const of = target.slice(upTo(target.length) * (random() < 0.5 ? 1 : 0)).map((n) => (random() < 0.1 ? 1 : n));
      if (random() < 0.1) of.unshift(1, 1);
      if (random() < 0.05) of.push(2);
      given = torch.arange(100, 100 + of.reduce((a, b) => a * b, 1)).view(of);
      if (random() < 0.9) given = given.to(base.dtype);
      value = { tensor: encode(given) };
    }
  }
  return { base: encode(base), items, bare, value, indices, given };
}

const python2000 = `
def value(item):
    if 'int' in item: return item['int']
    if 'slice' in item: return slice(*item['slice'])
    if 'list' in item: return item['list']
    if 'tensor' in item: return T(item['tensor'])
    if 'bool' in item: return item['bool']
    return Ellipsis if 'ellipsis' in item else None
results = []
for case in input:
    x = T(case['base'])
    index = tuple(value(item) for item in case['items'])
    if case['bare']: index = index[0]
    try:
        if case['value'] is None:
            y = x[index]
            results.append({'result': y, 'view': y._base is not None, 'stride': list(y.stride()), 'offset': y.storage_offset()})
        else:
            x[index] = T(case['value']['tensor']) if 'tensor' in case['value'] else case['value']['number']
            results.append({'result': x})
    except Exception as e:
        results.append({'error': type(e).__name__ + ': ' + str(e).split('\\n')[0]})
emit(results)`;

const { describe: withPython } = needs(python, 'a Python that has torch');
withPython('two thousand random expressions', () => {
  it('give, write and refuse what Python does', () => {
    const random = randomFrom(seed);
    const cases = Array.from({ length: 2000 }, () => draw(random));
    const json = cases.map(({ base, items, bare, value }) => ({ base, items, bare, value }));
    type Answer = { result?: Json; view?: boolean; stride?: number[]; offset?: number; error?: string };
    const theirs: Answer[] = runPython(python2000, json);
    const differing: unknown[] = [];
    const seen = { read: 0, written: 0, refused: 0, views: 0 };
    for (const [i, { base, indices, bare, given }] of cases.entries()) {
      const start = torch.fromBuffer(Buffer.from(base.data, 'base64'), { dtype: base.dtype, shape: base.shape });
      const expected = theirs[i]!;
      let ours: Answer;
      try {
        if (given === null) {
          const y = start.at(...indices);
          const view = y.storage().id === start.storage().id && y.numel() > 0;
          ours = { result: encode(y.contiguous()), view, stride: y.stride(), offset: y.storageOffset() };
          seen.read++;
          if (view) seen.views++;
          if (y.numel() === 0) ours.view = expected.view === true;
        } else {
          ours = { result: encode(start.setAt(bare && !Array.isArray(indices[0]) ? indices[0]! : indices, given)) };
          seen.written++;
        }
      } catch (error) {
        if (!(error instanceof IsotorchError)) throw error;
        ours = { error: error.message };
        seen.refused++;
      }
      const same = expected.error === undefined ? ours : { error: ours.error && expected.error };
      if (JSON.stringify(sorted(same)) !== JSON.stringify(sorted(expected)))
        differing.push({ shape: base.shape, items: json[i]!.items, bare, value: json[i]!.value, expected, ours });
    }
    expect(differing.slice(0, 5)).toEqual([]);
    expect(seen.read).toBeGreaterThan(500);
    expect(seen.written).toBeGreaterThan(500);
    expect(seen.views).toBeGreaterThan(200);
    expect(seen.refused).toBeGreaterThan(50);
  });
});

const sorted = (answer: object) => Object.entries(answer).sort(([a], [b]) => (a < b ? -1 : 1));
