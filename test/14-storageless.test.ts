// Tensors that have no memory of their own, or other values in it than theirs, at every place that reads one: the value of
// the dense tensor that they stand for, or an error with a code. The whole table is gone through.

import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { loadNpy, loadSafetensors, loadTorch, saveNpy, saveSafetensors, saveTorch } from '../lib/checkpoint/index.js';
import { IsotorchError } from '../lib/errors.js';
import { native } from '../lib/native.js';
import { SGD } from '../lib/optim/index.js';
import {
  capture,
  Feed,
  memory,
  Parameter,
  readStorage,
  Tensor,
  tidy,
  torch,
  writeStorage,
} from '../lib/tensor/index.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-storageless-'));
afterAll(() => rmSync(folder, { recursive: true }));

const dense = () => torch.tensor([0, 1.5, -2, 0, 0.25, 3]).view([2, 3]);
const complex = () => torch.complex(dense(), dense().add(1));

interface Kind {
  make(): Tensor;
  /** The dense tensor of the same values; missing where it has none, or they must be asked for. */
  same?(): Tensor;
}

const kinds: Record<string, Kind> = {
  dense: { make: dense, same: dense },
  'zero gradient': {
    make: () => {
      const x = torch.ones([2, 3], { requiresGrad: true });
      x.sgn().sum().backward();
      return x.grad as Tensor;
    },
    same: () => torch.zeros([2, 3]),
  },
  'complex zeros': {
    make: () => torch._efficientzerotensor([2, 3], { dtype: 'complex64' }),
    same: () => torch.zeros([2, 3], { dtype: 'complex64' }),
  },
  conjugate: { make: () => complex().conj(), same: () => complex().conj().resolveConj() },
  'negated view': { make: () => dense()._negView(), same: () => dense().neg() },
  'imaginary part': { make: () => complex().conj().imag, same: () => dense().add(1).neg() },
  meta: { make: () => dense().to('meta') },
  coo: { make: () => dense().toSparse() },
  'not coalesced': {
    make: () =>
      torch.sparseCooTensor(
        torch.tensor([
          [0, 0],
          [1, 1],
        ]),
        torch.ones([2]),
        [2, 3],
      ),
  },
  csr: { make: () => dense().toSparseCsr() },
  csc: { make: () => dense().toSparseCsc() },
  bsr: { make: () => dense().toSparseBsr([1, 1]) },
  bsc: { make: () => dense().toSparseBsc([1, 1]) },
  'per tensor': { make: () => torch.quantizePerTensor(dense(), 0.25, 10, 'quint8') },
  'per channel': {
    make: () =>
      torch.quantizePerChannel(
        dense(),
        torch.tensor([0.5, 0.25], { dtype: 'float64' }),
        torch.tensor([0, 1]),
        0,
        'qint8',
      ),
  },
  nested: { make: () => torch._nestedTensorFromTensorList([torch.ones([2]), torch.ones([3])]) },
  'mkl-dnn': { make: () => dense().toMkldnn() },
  batched: { make: () => torch._addBatchDim(torch.ones([4, 2, 3]), 0, 1) },
};

/** Something that an operator of autograd's is to take. */
const leaf = (like: Tensor) => torch.ones([2, 3], { dtype: like.dtype, requiresGrad: true });
const path = (name: string) => join(folder, name);
const plan = () => torch.tensor([[1, 0]]);

/** Places that must give a dense tensor's values, or throw. */
const values: Record<string, (x: Tensor) => unknown> = {
  tolist: (x) => x.tolist(),
  toArraySync: (x) => [...x.toArraySync()].map(Number),
  toArray: async (x) => [...(await x.toArray())].map(Number),
  String: (x) => String(x),
  'console.log': (x) => inspect({ x }),
  clone: (x) => x.clone(),
  'to(float64)': (x) => x.to(x.dtype.startsWith('complex') ? 'complex128' : 'float64'),
  contiguous: (x) => x.contiguous(),
  sum: (x) => (x.dtype.startsWith('complex') ? x.sum() : x.sum().item()),
  'item of one element': (x) => x.select(0, 0).select(0, 1).item(),
  saveSafetensors: async (x) => {
    await saveSafetensors(path('a.safetensors'), { x });
    return (await loadSafetensors(path('a.safetensors'))).get('x');
  },
  saveNpy: async (x) => {
    await saveNpy(path('a.npy'), x);
    return await loadNpy(path('a.npy'));
  },
  'input of a captured step': async (x) => {
    const step = capture((input: Tensor) => input.mul(2));
    await step(x);
    return await step(x);
  },
  'outside of a captured step': async (x) => {
    const step = capture((input: Tensor) => x.mul(2).add(input));
    await step(torch.ones([]));
    return await step(torch.ones([]));
  },
  'gradient of an argument': (x) => {
    const w = leaf(x);
    w.mul(3).backward(x);
    return w.grad;
  },
  'gradient of autograd.grad': (x) => {
    const w = leaf(x);
    return torch.autograd.grad([w.mul(3)], [w], { gradOutputs: [x] })[0];
  },
  'gradient set': (x) => {
    const w = leaf(x);
    w.grad = x;
    return w.grad;
  },
  'step of SGD': (x) => {
    const w = new Parameter(torch.ones([2, 3], { dtype: x.dtype }));
    const optimizer = new SGD([w], { lr: 0.5, momentum: 0.9, weightDecay: 0.1 });
    for (let i = 0; i < 2; i++) {
      w.grad = x;
      optimizer.step();
    }
    return w.detach();
  },
  feed: async (x) => {
    const feed = new Feed([x], plan(), { batch: 2, from: 0, count: 1, ahead: 1, device: 'cpu' });
    try {
      return (await feed.next())?.[0];
    } finally {
      feed.end();
    }
  },
};

/** Places that give what they give, or throw. */
const facts: Record<string, (x: Tensor) => unknown> = {
  shape: (x) => x.shape,
  ndim: (x) => x.ndim,
  dtype: (x) => x.dtype,
  layout: (x) => x.layout,
  device: (x) => x.device,
  numel: (x) => x.numel(),
  stride: (x) => x.stride(),
  storageOffset: (x) => x.storageOffset(),
  isContiguous: (x) => x.isContiguous(),
  requiresGrad: (x) => x.requiresGrad,
  grad: (x) => x.grad,
  memory: () => memory(),
  item: (x) => x.item(),
  Number: (x) => Number(x),
  JSON: (x) => JSON.stringify(x),
  storage: (x) => x.storage(),
  'bytes of the storage': (x) => x.storage().toBytes(),
  saveTorch: async (x) => {
    await saveTorch(path('a.pt'), { x });
    return await loadTorch(path('a.pt'));
  },
  writeStorage: async (x) => await writeStorage(x, openSync(path('out'), 'w'), { start: 0, length: 24 }),
  readStorage: async (x) => {
    await writeStorage(torch.ones([6]), openSync(path('in'), 'w'), { start: 0, length: 24 });
    return await readStorage(x, openSync(path('in'), 'r'), { start: 0, length: 24, offset: 0 });
  },
  Parameter: (x) => new Parameter(x, false),
  replace_: (x) => torch.ones([1]).replace_(x),
  tidy: (x) => tidy(() => x.detach()),
  'plan of a feed': (x) =>
    new Feed([torch.ones([3])], x, { batch: 1, from: 0, count: 1, ahead: 1, device: 'cpu' }).end(),
  'state of a generator': (x) => torch.setRngState(x),
  'argument of an error': (x) => x.matmul(torch.ones([7, 7])),
  'argument of another error': (x) => torch.stack([x, 5 as never]),
  'in place': (x) => x.add_(x),
  'written to': (x) => x.copy_(torch.ones([2, 3])),
};

/** Tensors as their values. */
const shown = (value: unknown): unknown =>
  value instanceof Tensor
    ? { dtype: value.dtype, shape: value.shape, values: Array.from(value.toArraySync(), Number) }
    : value;

/** What a place gives; the code where it throws one of our errors. Anything else that it throws is a fault. */
async function outcome(place: (x: Tensor) => unknown, x: Tensor): Promise<{ value: unknown } | { code: string }> {
  try {
    return { value: shown(await place(x)) };
  } catch (error) {
    if (!(error instanceof IsotorchError)) throw error;
    expect(error.code).toMatch(/^ERR_/);
    return { code: error.code };
  }
}

describe.each(Object.entries(kinds))('%s', (_, { make, same }) => {
  it.each(Object.entries(values))('%s', async (name, place) => {
    const got = await outcome(place, make());
    if (same) expect(got).toEqual(await outcome(place, same()));
    else if (['String', 'console.log'].includes(name)) expect(got).toHaveProperty('value');
  });

  it.each(Object.entries(facts))('%s', async (_, place) => {
    await outcome(place, make());
  });

  it('goes on working', () => {
    expect(dense().sum().item()).toBe(2.75);
    expect(native.isAlive(dense().handle)).toBe(true);
  });
});

describe('the errors', () => {
  const error = (use: () => unknown): string => {
    try {
      use();
    } catch (caught) {
      if (caught instanceof IsotorchError) return `${caught.code}: ${caught.message.split('\n')[0]}`;
    }
    return 'none';
  };

  it('tell what came and what to do', () => {
    expect(error(() => dense().toSparse().tolist())).toBe(
      'ERR_ARGUMENT: Expected a dense tensor with values but received a tensor of layout sparse_coo; toDense() gives a dense one',
    );
    expect(error(() => kinds.meta!.make().toArraySync())).toContain('a meta tensor, which has a shape but no values');
    expect(error(() => kinds.nested!.make().shape)).toContain('unbind() gives its parts');
    expect(error(() => kinds.nested!.make().tolist())).toContain('unbind() gives its parts');
    expect(error(() => kinds.batched!.make().toArraySync())).toContain('_removeBatchDim()');
    expect(error(() => kinds['mkl-dnn']!.make().toArraySync())).toContain('of layout _mkldnn; toDense()');
    expect(error(() => kinds['per tensor']!.make().tolist())).toContain('dequantize() or intRepr()');
    const { _reinterpretTensor } = torch.ops.inductor!;
    const beyond = _reinterpretTensor!(torch.ones([2]), [1000], [1], 0) as Tensor;
    for (const read of [
      () => beyond.tolist(),
      () => beyond.toArraySync(),
      () => beyond.storage(),
      () => String(beyond),
    ])
      expect(error(read)).toMatch(/reaches beyond its storage|none/);
    expect(String(beyond)).toBe('tensor(..., size=(1000,))');
  });

  it('name tensors of every kind', () => {
    expect(error(() => kinds.nested!.make().matmul(torch.ones([7, 7])))).not.toBe('none');
    expect(error(() => torch.stack([kinds.nested!.make(), 5 as never]))).toContain('ERR_OPERATOR');
  });
});

describe('a gradient that is known to be zero', () => {
  it('is one to optim.SGD, as in PyTorch', () => {
    const w = new Parameter(torch.tensor([1.5, -2]));
    w.sgn().sum().backward();
    expect(String(w.grad)).toBe('tensor([0., 0.])');
    new SGD([w], { lr: 0.5, weightDecay: 0.1 }).step();
    expect(w.tolist()).toEqual([Math.fround(1.425), Math.fround(-1.9)]);
  });

  it('is one in a captured step', async () => {
    const w = new Parameter(torch.tensor([1.5, -2]));
    const optimizer = new SGD([w], { lr: 0.5, weightDecay: 0.1 });
    const step = capture(() => {
      optimizer.zeroGrad();
      const loss = w.sgn().sum();
      loss.backward();
      optimizer.step();
      return loss;
    });
    for (let i = 0; i < 3; i++) await step();
    expect((w.tolist() as number[]).map((x) => x.toFixed(5))).toEqual(['1.28606', '-1.71475']);
  });
});
