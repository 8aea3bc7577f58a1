// Values that another realm made: a vm context, as test runners and plugin hosts use them. They are as good as our own.

import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { capture, checkpoint, nn, ood, optim, type Tensor, tidy, torch } from '../lib/index.js';

const realm = vm.createContext({});
const foreign = <T>(code: string): T => vm.runInContext(code, realm) as T;
/** A Map of the other realm with these entries. */
const foreignMap = (entries: Iterable<[unknown, unknown]>): Map<string, never> => {
  const map = foreign<Map<unknown, unknown>>('new Map()');
  for (const [key, value] of entries) map.set(key, value);
  return map as Map<string, never>;
};

describe('values of another realm', () => {
  it.each([
    ['Float32Array', 'float32'],
    ['Float64Array', 'float64'],
    ['Int8Array', 'int8'],
    ['Uint8Array', 'uint8'],
    ['Uint8ClampedArray', 'uint8'],
    ['Int16Array', 'int16'],
    ['Uint16Array', 'uint16'],
    ['Int32Array', 'int32'],
    ['Uint32Array', 'uint32'],
  ])('torch.tensor reads a %s as %s', (name, dtype) => {
    tidy(() => {
      const made = torch.tensor(foreign<Float32Array>(`new ${name}([1, 2])`));
      expect(made.dtype).toBe(dtype);
      expect(made.tolist()).toEqual([1, 2]);
    });
  });

  it.each(['BigInt64Array', 'BigUint64Array'])('torch.tensor reads a %s', (name) => {
    tidy(() => {
      const made = torch.tensor(foreign<BigInt64Array>(`new ${name}([1n, 2n])`));
      expect(made.dtype).toBe(name === 'BigInt64Array' ? 'int64' : 'uint64');
      expect(made.tolist()).toEqual(name === 'BigInt64Array' ? [1, 2] : [1n, 2n].map(Number));
    });
  });

  it('takes foreign arrays and options for operators', () => {
    tidy(() => {
      const x = torch.ones(foreign<number[]>('[2, 3]'));
      expect(x.sum(foreign<{ dim: number[] }>('({ dim: [1] })') as never).tolist()).toEqual([3, 3]);
    });
  });

  it('tidy keeps what a foreign Map, Set, object or array holds', () => {
    tidy(() => {
      const map = tidy(() => foreignMap([['x', torch.ones([1])]]));
      expect((map.get('x') as unknown as Tensor).isDisposed).toBe(false);
      const set = tidy(() => foreign<Set<Tensor>>('new Set()').add(torch.ones([1])));
      expect([...set][0]!.isDisposed).toBe(false);
      const object = tidy(() => Object.assign(foreign<{ x?: Tensor }>('({})'), { x: torch.ones([1]) }));
      expect(object.x.isDisposed).toBe(false);
    });
  });

  it('tidy refuses a foreign promise as it does its own', () => {
    expect(() => tidy(() => foreign<Promise<void>>('Promise.resolve()'))).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });

  it('state dicts come as foreign Maps and objects', () => {
    tidy(() => {
      const from = new nn.Linear(2, 2);
      const to = new nn.Linear(2, 2);
      to.loadStateDict(foreignMap(from.stateDict()));
      expect(to.weight.tolist()).toEqual(from.weight.tolist());
      from.weight.detach().fill_(3);
      to.loadStateDict(Object.assign(foreign<Record<string, Tensor>>('({})'), Object.fromEntries(from.stateDict())));
      expect(to.weight.tolist()).toEqual(from.weight.tolist());
      const optimizer = new optim.SGD(from.parameters(), { lr: 0.1, momentum: 0.9 });
      from
        .forward(torch.ones([1, 2]))
        .sum()
        .backward();
      optimizer.step();
      const state = optimizer.stateDict();
      const other = new optim.SGD(to.parameters(), { lr: 0.2 });
      other.loadStateDict({ ...state, state: foreignMap(state.state) as never });
      expect(other.paramGroups[0]!.lr).toBe(0.1);
    });
  });

  it('files are written from foreign Maps and objects, and read from foreign bytes', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'isotorch-')), 'x.pt');
    const x = torch.ones([2]);
    await checkpoint.saveTorch(path, foreignMap([['x', x]]));
    const bytes = readFileSync(path);
    const foreignBytes = foreign<(length: number) => Uint8Array>('(length) => new Uint8Array(length)')(bytes.length);
    foreignBytes.set(bytes);
    const read = await checkpoint.loadTorch<Map<string, Tensor>>(foreignBytes);
    expect(read.get('x')!.tolist()).toEqual([1, 1]);
  });

  it('a captured step returns foreign objects', async () => {
    const step = capture((x: Tensor) => Object.assign(foreign<{ y?: Tensor }>('({})'), { y: x.add(1) }));
    const x = torch.ones([2]);
    for (let i = 0; i < 3; i++) {
      const { y } = (await step(x)) as { y: Tensor };
      expect(y.tolist()).toEqual([2, 2]);
      y.dispose();
    }
    step.dispose();
  });

  it('scores are a foreign Float64Array', () => {
    const scores = foreign<Float64Array>('new Float64Array([0.9, 0.8, 0.7])');
    expect(ood.auroc(ood.rocCurve(scores, new Float64Array([0.1, 0.2])))).toBe(1);
  });
});
