// Tensor as Python's users know it: sizes one by one, a number in front, casts and properties under PyTorch's names, rows in a
// loop. That this file compiles is part of the test: types are as wide as what works.

import { describe, expect, it } from 'vitest';
import { type DType, type Scalar, type Tensor, torch } from '../lib/tensor/index.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const x = torch.arange(6).view(2, 3);

describe('arguments', () => {
  it('may all be named', () => {
    expect(x.to('float32').mean({ dim: 0, keepdim: true }).shape).toEqual([1, 3]);
    expect(x.sum({ dim: [0, 1] }).item()).toBe(15);
    expect(torch.softmax(x.float(), { dim: 1 }).shape).toEqual([2, 3]);
    expect(torch.arange({ end: 5 }).tolist()).toEqual([0, 1, 2, 3, 4]);
    expect(torch.zeros({ size: [2], dtype: 'int8' }).dtype).toBe('int8');
    expect(x.transpose({ dim0: 0, dim1: 1 }).shape).toEqual([3, 2]);
    expect(x.clamp({ max: 2 }).tolist()).toEqual([
      [0, 1, 2],
      [2, 2, 2],
    ]);
  });

  it('take sizes one by one where they are all', () => {
    expect(x.view(3, -1).shape).toEqual([3, 2]);
    expect(x.reshape(1, 6, 1).shape).toEqual([1, 6, 1]);
    expect(x.permute(1, 0).shape).toEqual([3, 2]);
    expect(x.expand(4, 2, 3).shape).toEqual([4, 2, 3]);
    expect(x.repeat(2, 1).shape).toEqual([4, 3]);
    expect(x.flip(0, 1).tolist()).toEqual(x.flip([0, 1]).tolist());
    expect(x.newZeros(2, 2, { dtype: 'bool' }).dtype).toBe('bool');
    expect(torch.zeros(2, 3).shape).toEqual([2, 3]);
    expect(torch.empty(4).shape).toEqual([4]);
    const options = torch.ones(2, 3n, { dtype: 'float64', requiresGrad: true });
    expect([options.dtype, options.requiresGrad]).toEqual(['float64', true]);
    const generator = new torch.Generator().manualSeed(1);
    expect(torch.rand(2, 2, { generator }).shape).toEqual([2, 2]);
    // @ts-expect-error sum's dimensions are not all that it takes
    expect(() => x.sum(0, 1)).toThrow(expect.objectContaining({ code: 'ERR_OPERATOR' }));
  });

  it('take the names of reductions', () => {
    const logits = torch.tensor([[0.5, 1, -1]]);
    const loss = (reduction: number | 'none' | 'mean' | 'sum') =>
      torch.crossEntropyLoss(logits, torch.tensor([1]), { reduction }).tolist();
    expect([loss('none'), loss('mean'), loss('sum')]).toEqual([loss(0), loss(1), loss(2)]);
    expect(() => loss('average' as 'mean')).toThrow(/expected int for reduction but received string "average"/);
  });
});

describe('to', () => {
  it('takes a device and a dtype, another tensor, and what to do besides', () => {
    expect(x.to('cpu', 'float64').dtype).toBe('float64');
    expect(x.to('cpu', 'int64')).toBe(x);
    expect(x.to('meta', 'float16').device).toBe('meta');
    expect(x.to('int64', false, true)).not.toBe(x);
    expect(x.to('int64', { copy: true })).not.toBe(x);
    expect(x.to(torch.ones(1), { nonBlocking: true }).dtype).toBe('float32');
    expect(x.to({ other: torch.ones(1) }).dtype).toBe('float32');
    expect(x.to(null, 'bool').dtype).toBe('bool');
    expect(x.to({ device: 'cpu', dtype: 'float32' }).dtype).toBe('float32');
  });

  it('refuses what it has no use for', () => {
    const to = x.to as (...args: unknown[]) => unknown;
    for (const args of [
      ['cpu', 'float64', false, false, 'contiguous_format', 1],
      ['float64', 'cpu'],
      ['float64', { dtype: 'int8' }],
      [{ dtpye: 'float64' }],
      [{ dtype: 'float64' }, 'cpu'],
      [5],
    ])
      expect(() => to.call(x, ...args), JSON.stringify(args)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_(OPERATOR|ARGUMENT|DTYPE|DEVICE)$/) }),
      );
  });

  it('has its short names', () => {
    const casts: [DType, () => Tensor][] = [
      ['float32', () => x.float()],
      ['float64', () => x.double()],
      ['float16', () => x.half()],
      ['bfloat16', () => x.bfloat16()],
      ['int64', () => x.long()],
      ['int32', () => x.int()],
      ['int16', () => x.short()],
      ['int8', () => x.char()],
      ['uint8', () => x.byte()],
      ['bool', () => x.bool()],
      ['complex64', () => x.cfloat()],
      ['complex128', () => x.cdouble()],
    ];
    for (const [dtype, cast] of casts) expect(cast().dtype).toBe(dtype);
    expect(x.long()).toBe(x);
    expect(x.cpu()).toBe(x);
    const excess = x as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const call of [() => excess.float!(1), () => excess.cpu!({ device: 'cpu' }), () => excess.cuda!(0, false, 1)])
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_OPERATOR' }));
    const image = torch.zeros(1, 3, 2, 2);
    expect(image.double({ memoryFormat: 'channels_last' }).stride()).toEqual([12, 1, 6, 3]);
    if (!torch.cuda.isAvailable())
      expect(() => x.cuda()).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }));
  });
});

describe('a tensor', () => {
  it('has the properties that it has in Python', () => {
    const z = torch.viewAsComplex(
      torch.tensor([
        [1, 2],
        [3, -4.5],
      ]),
    );
    expect(x.T.shape).toEqual([3, 2]);
    expect(z.view(1, 2).H.resolveConj().at(1, 0).item<Scalar>()).toEqual({ re: 3, im: 4.5 });
    expect(torch.zeros(4, 2, 3).mT.shape).toEqual([4, 3, 2]);
    expect(torch.zeros(4, 2, 3).mH.shape).toEqual([4, 3, 2]);
    expect(z.real.tolist()).toEqual([1, 3]);
    expect(z.imag.tolist()).toEqual([2, -4.5]);
    z.imag.zero_();
    expect(torch.viewAsReal(z).tolist()).toEqual([
      [1, 0],
      [3, 0],
    ]);
    expect(x.real).toBe(x);
    expect(() => x.imag).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
    const w = torch.ones(2, { requiresGrad: true });
    expect([w.isLeaf, w.mul(2).isLeaf, w.data.requiresGrad, w.outputNr]).toEqual([true, false, false, 0]);
    expect([x.itemsize, x.nbytes, x.half().itemsize, x.cdouble().itemsize, x.bool().itemsize]).toEqual([
      8, 48, 2, 16, 1,
    ]);
    expect([x.isCpu, x.isCuda, x.isMeta, x.to('meta').isMeta, x.isSparse, x.toSparseCoo().isSparse]).toEqual([
      true,
      false,
      false,
      true,
      false,
      true,
    ]);
    expect(x.int().newTensor([1]).dtype).toBe('int32');
  });

  it('is a sequence of its rows', () => {
    expect(x.length).toBe(2);
    expect(x.size()).toEqual([2, 3]);
    expect([x.size(0), x.size(-1)]).toEqual([2, 3]);
    expect(() => x.size(2)).toThrow(expect.objectContaining({ code: 'ERR_INDEX' }));
    const sums: number[] = [];
    for (const row of x) sums.push(row.sum().item());
    expect(sums).toEqual([3, 12]);
    const [first, second] = x;
    expect([first?.tolist(), second?.tolist()]).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(() => torch.tensor(1).length).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => [...torch.tensor(1)]).toThrow(TypeError);
  });

  it('has a shape that cannot be written to, and an item of the type that one expects', () => {
    const shape: readonly number[] = x.shape;
    expect(shape).toEqual([2, 3]);
    const flag: boolean = x.any().item<boolean>();
    const value: number = x.max().item();
    expect([flag, value]).toEqual([true, 5]);
  });
});

describe('torch.ops', () => {
  it('compiles and can be awaited', async () => {
    const sum: Tensor = torch.ops.aten.add.Tensor(x, x);
    expect(sum.at(1, 2).item()).toBe(10);
    expect((torch.ops.aten.add(x, 1) as Tensor).at(0, 0).item()).toBe(1);
    expect(await torch.ops.aten).toBe(torch.ops.aten);
    expect(await torch.ops).toBe(torch.ops);
    expect(await torch.ops.aten.add).toBe(torch.ops.aten.add);
    expect(JSON.stringify(torch.ops.aten)).toBeTypeOf('string');
    expect(String(torch.ops.aten)).toBe('[object Object]');
  });
});

const { it: withPython } = needs(python, 'a Python that has torch');
describe('a number in front', () => {
  withPython('gives the dtype and the values that it gives in Python', () => {
    const tensors = ['uint8', 'int32', 'int64', 'float32', 'float64', 'bfloat16', 'bool', 'complex64'].flatMap(
      (dtype) => [torch.tensor([1, 3, 7]), torch.tensor(3)].map((of) => of.to(dtype as DType)),
    );
    // Numbers that are integers are Python's ints here: JavaScript doesn't tell 2.0 from 2.
    const numbers: (number | boolean)[] = [2, 0.1, true, -3];
    const names = [
      'add',
      'sub',
      'mul',
      'div',
      'true_divide',
      'floor_divide',
      'pow',
      'remainder',
      'xlogy',
      'bitwise_and',
    ] as const;
    const called = {
      add: torch.add,
      sub: torch.sub,
      mul: torch.mul,
      div: torch.div,
      true_divide: torch.trueDivide,
      floor_divide: torch.floorDivide,
      pow: torch.pow,
      remainder: torch.remainder,
      xlogy: torch.xlogy,
      bitwise_and: torch.bitwiseAnd,
    } as Record<(typeof names)[number], (number: Scalar, tensor: Tensor) => Tensor>;
    const cases = names.flatMap((name) =>
      numbers.flatMap((number) => tensors.map((tensor) => ({ name, number, tensor }))),
    );
    const theirs = runPython(
      `
def call(name, number, tensor):
    try: return J(getattr(torch, name)(number, T(tensor)))
    except Exception as e: return str(e).split('\\n')[0]
emit([call(**case) for case in input])`,
      cases.map(({ tensor, ...rest }) => ({ ...rest, tensor: encode(tensor) })),
    );
    let equal = 0;
    for (const [i, { name, number, tensor }] of cases.entries()) {
      const what = `${name}(${number}, ${tensor.dtype} [${tensor.shape}])`;
      let ours: unknown;
      try {
        ours = encode(called[name](number, tensor));
        equal++;
      } catch (error) {
        expect(theirs[i], `${what}: ${error}`).toBeTypeOf('string');
        continue;
      }
      expect(ours, what).toEqual(theirs[i]);
    }
    expect(equal).toBeGreaterThan(400);
    expect(torch.where(x.gt(2), 1, x).tolist()).toEqual([
      [0, 1, 2],
      [1, 1, 1],
    ]);
    expect(torch.add(1, 2).item()).toBe(3);
    expect(torch.sub(1, x, { alpha: 2 }).at(1, 2).item()).toBe(-9);
  });
});
