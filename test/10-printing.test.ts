// Printing: String(x) and console.log(x) are Python's repr to the byte, for 300 random tensors of every dtype, layout and
// kind, and under every setting.

import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { IsotorchError } from '../lib/errors.js';
import { capture, type DType, dtypes, Parameter, type PrintOptions, type Tensor, torch } from '../lib/tensor/index.js';
import { encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

afterEach(() => torch.setPrintOptions({ profile: 'default' }));

/** A kind of tensor, made of a dense one here and in Python. */
interface Recipe {
  python: string;
  make(x: Tensor): Tensor;
  /** What it is made of. */
  dtypes: readonly DType[];
  /** At least so many dimensions, and at most. */
  dims?: readonly [number, number];
}

const real: DType[] = ['float32', 'float64'];
const plain = dtypes.filter((dtype) => !dtype.startsWith('q'));
const recipes: Record<string, Recipe> = {
  dense: { python: 'x', make: (x) => x, dtypes: plain },
  leaf: { python: 'x.requires_grad_()', make: (x) => x.requiresGrad_(), dtypes: [...real, 'complex64', 'bfloat16'] },
  sum: { python: 'x.requires_grad_() + 1', make: (x) => x.requiresGrad_().add(1), dtypes: [...real, 'float16'] },
  exp: { python: 'x.requires_grad_().sigmoid()', make: (x) => x.requiresGrad_().sigmoid(), dtypes: real },
  view: { python: 'x.requires_grad_().view(-1)', make: (x) => x.requiresGrad_().view([-1]), dtypes: real },
  unbound: {
    python: 'x.requires_grad_().unbind(0)[0] if len(x) else x',
    make: (x) => (x.shape[0] === 0 ? x : (x.requiresGrad_().unbind(0)[0] as Tensor)),
    dtypes: real,
    dims: [1, 3],
  },
  transposed: { python: 'x.mT', make: (x) => x.transpose(-1, -2), dtypes: plain, dims: [2, 4] },
  parameter: { python: 'torch.nn.Parameter(x)', make: (x) => new Parameter(x), dtypes: [...real, 'complex128'] },
  negative: { python: 'torch._neg_view(x)', make: (x) => x._negView(), dtypes: real },
  conjugate: { python: 'x.conj()', make: (x) => x.conj(), dtypes: ['complex64', 'complex128'] },
  zero: {
    python: 'torch._efficientzerotensor(x.shape, dtype=x.dtype)',
    make: (x) => torch._efficientzerotensor(x.shape, { dtype: x.dtype }),
    dtypes: real,
  },
  meta: { python: "x.to('meta')", make: (x) => x.to('meta'), dtypes: plain },
  coo: { python: 'x.to_sparse()', make: (x) => x.toSparse(), dtypes: [...real, 'int64', 'complex64'], dims: [1, 3] },
  hybrid: { python: 'x.to_sparse(1)', make: (x) => x.toSparse(1), dtypes: [...real, 'int32'], dims: [2, 3] },
  csr: { python: 'x.to_sparse_csr()', make: (x) => x.toSparseCsr(), dtypes: [...real, 'int64'], dims: [2, 2] },
  csc: { python: 'x.to_sparse_csc()', make: (x) => x.toSparseCsc(), dtypes: [...real, 'int32'], dims: [2, 2] },
  bsr: { python: 'x.to_sparse_bsr((1, 1))', make: (x) => x.toSparseBsr([1, 1]), dtypes: real, dims: [2, 2] },
  bsc: { python: 'x.to_sparse_bsc((1, 1))', make: (x) => x.toSparseBsc([1, 1]), dtypes: real, dims: [2, 2] },
  quantized: {
    python: 'torch.quantize_per_tensor(x, 0.1, 10, torch.quint8)',
    make: (x) => torch.quantizePerTensor(x, 0.1, 10, 'quint8'),
    dtypes: ['float32'],
  },
  perChannel: {
    python:
      'torch.quantize_per_channel(x, torch.linspace(1e-5, 2, len(x), dtype=torch.float64), torch.arange(len(x)), 0, torch.qint32)',
    make: (x) => {
      const channels = x.shape[0] as number;
      const scales = torch.linspace(1e-5, 2, channels, { dtype: 'float64' });
      return torch.quantizePerChannel(x, scales, torch.arange(channels), 0, 'qint32');
    },
    dtypes: ['float32'],
    dims: [1, 3],
  },
  nested: {
    python: 'torch._nested_tensor_from_tensor_list(list(x.unbind(0)) + [x[0, 1:]])',
    make: (x) =>
      torch._nestedTensorFromTensorList([...x.unbind(0), (x.select(0, 0) as Tensor).narrow(0, 1, x.size(1) - 1)]),
    dtypes: real,
    dims: [2, 3],
  },
  mkldnn: { python: 'x.to_mkldnn()', make: (x) => x.toMkldnn(), dtypes: ['float32'], dims: [1, 4] },
};

/** Numbers of 0 to 1 that are the same on every machine. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Case {
  kind: string;
  base: TensorJson;
  options: Partial<PrintOptions>;
  ours: string;
}

/** Values of many scales, whole ones, halves between two decimals, zeros of both signs, NaN and infinities. */
function drawn(random: () => number, style: number): number {
  const any = [
    () => random() * 2 - 1,
    () => Math.floor(random() * 200 - 100),
    () => (random() - 0.5) * 10 ** Math.floor(random() * 20 - 10),
    () => Math.floor(random() * 4096 - 2048) / 32,
    () => (Math.floor(random() * 2000) * 2 + 1) / 2 ** 5 / 10 ** Math.floor(random() * 3),
    () => (random() < 0.5 ? 0 : -0),
    () => [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][Math.floor(random() * 3)] as number,
    () => Math.floor(random() * 2 ** 40) * 10 ** Math.floor(random() * 12),
  ];
  const mixed = style < any.length ? style : Math.floor(random() * any.length);
  return (any[mixed] as () => number)();
}

function shapeFrom(random: () => number, [least, most]: readonly [number, number]): number[] {
  const dims = least + Math.floor(random() * (most - least + 1));
  const large = random() < 0.25;
  return Array.from({ length: dims }, () =>
    large
      ? 1 + Math.floor(random() * (dims === 1 ? 3000 : dims === 2 ? 60 : 14))
      : Math.floor(random() * 6 + (dims < 3 ? 0.5 : 1)),
  );
}

function baseOf(random: () => number, dtype: DType, shape: number[], finite: boolean): Tensor {
  const style = Math.floor(random() * 10);
  const count = shape.reduce((all, size) => all * size, 1) * (dtype.startsWith('complex') ? 2 : 1);
  const values = Float64Array.from({ length: count }, () => {
    const value = drawn(random, style);
    return finite && !(Math.abs(value) < 100) ? 1 : value;
  });
  if (dtype.startsWith('complex')) return torch.fromBuffer(values, { dtype: 'complex128', shape }).to(dtype);
  if (/float/.test(dtype)) return torch.tensor(values).view(shape).to(dtype);
  const whole = values.map((value) => (Number.isFinite(value) ? Math.trunc(value) % 128 : 3));
  const tensor = torch.tensor(whole).view(shape).abs();
  return dtype === 'int64' && random() < 0.3
    ? tensor
        .to(dtype)
        .mul(2 ** 40)
        .mul(-1)
    : tensor.to(dtype);
}

function randomCases(count: number, seed: number): Case[] {
  const random = numbersFrom(seed);
  const kinds = Object.keys(recipes);
  return Array.from({ length: count }, (_, i) => {
    const kind = i < count / 2 ? 'dense' : (kinds[i % kinds.length] as string);
    const { make, dtypes: from, dims = [0, 4] } = recipes[kind] as Recipe;
    const shape = shapeFrom(random, dims);
    if (kind === 'nested') shape.splice(0, 2, 1 + Math.floor(random() * 3), 2 + Math.floor(random() * 4));
    if (kind === 'perChannel' && shape[0] === 0) shape[0] = 2;
    const dtype = from[i % from.length] as DType;
    const x = baseOf(random, dtype, shape, ['quantized', 'perChannel'].includes(kind));
    const base = encode(x);
    const options: Partial<PrintOptions> =
      random() < 0.7
        ? {}
        : {
            precision: Math.floor(random() * 8),
            threshold: random() < 0.5 ? 20 : 1000,
            edgeitems: Math.floor(random() * 5),
            linewidth: 20 + Math.floor(random() * 120),
            sciMode: [true, false, null][Math.floor(random() * 3)] as boolean | null,
          };
    torch.setPrintOptions({ profile: 'default', ...options });
    const ours = String(make(x));
    torch.setPrintOptions({ profile: 'default' });
    return { kind, base, options, ours };
  });
}

const inPython = `
import warnings
warnings.filterwarnings('ignore')
recipes = input['recipes']
def one(case):
    x = T(case['base'])
    options = {'sci_mode' if key == 'sciMode' else key: value for key, value in case['options'].items()}
    torch.set_printoptions(profile='default', **options)
    return repr(eval(recipes[case['kind']], {'torch': torch, 'x': x}))
emit([one(case) for case in input['cases']])
`;

describe('a tensor as text', () => {
  const { it: withPython } = needs(python, 'a Python that has torch');

  withPython('is Python’s repr, byte for byte, for 300 random tensors', () => {
    const cases = randomCases(300, 2026);
    const theirs: string[] = runPython(inPython, {
      recipes: Object.fromEntries(Object.entries(recipes).map(([kind, recipe]) => [kind, recipe.python])),
      cases: cases.map(({ kind, base, options }) => ({ kind, base, options })),
    });
    expect(new Set(cases.map(({ kind }) => kind)).size).toBe(Object.keys(recipes).length);
    cases.forEach(({ ours, ...rest }, i) => {
      expect(ours, JSON.stringify({ ...rest, base: { ...rest.base, data: rest.base.data.slice(0, 200) } })).toBe(
        theirs[i],
      );
    });
  });

  it('shows values, dtype, gradient and shape', () => {
    const x = torch.tensor(
      [
        [1.5, -2],
        [0, Number.NaN],
      ],
      { requiresGrad: true },
    );
    expect(String(x)).toBe(
      'tensor([[1.5000, -2.0000],\n        [0.0000,     nan]], requires_grad=True)'
        .replace('[[1', '[[ 1')
        .replace('[0.', '[ 0.'),
    );
    expect(`${x.sum()}`).toBe('tensor(nan, grad_fn=<SumBackward0>)');
    expect(String(torch.tensor(-0))).toBe('tensor(-0.)');
    expect(String(torch.tensor([1, 2], { dtype: 'uint8' }))).toBe('tensor([1, 2], dtype=torch.uint8)');
    expect(String(torch.zeros([2, 0]))).toBe('tensor([], size=(2, 0))');
    expect(String(torch.arange(2000))).toBe('tensor([   0,    1,    2,  ..., 1997, 1998, 1999])');
    expect(String(torch.tensor([{ re: 1, im: -2 }]))).toBe('tensor([1.-2.j])');
    expect(String(new Parameter(torch.ones([2])))).toBe('Parameter containing:\ntensor([1., 1.], requires_grad=True)');
    expect(inspect({ x: torch.eye(2) })).toBe('{\n  x: tensor([[1., 0.],\n          [0., 1.]])\n}');
    x.dispose();
    expect(String(x)).toBe('Tensor (disposed)');
  });

  it('rounds halves to even and writes exponents of two digits, as Python does', () => {
    expect(String(torch.tensor([0.03125, 0.09375], { dtype: 'float64' }))).toContain('[0.0312, 0.0938]');
    torch.setPrintOptions({ precision: 1, sciMode: true });
    expect(String(torch.tensor([1.25, 135, 1e100], { dtype: 'float64' }))).toContain('[ 1.2e+00,  1.4e+02, 1.0e+100]');
  });

  it('shows no values while a step is recorded', async () => {
    const seen: string[] = [];
    const step = capture((x: Tensor) => {
      seen.push(String(x), String(x.add(1)));
      return x.mul(2);
    });
    const doubled = await step(torch.ones([2, 3]));
    expect(doubled.tolist()).toEqual([
      [2, 2, 2],
      [2, 2, 2],
    ]);
    expect(seen).toEqual(['tensor(..., size=(2, 3))', 'tensor(..., size=(2, 3))']);
  });

  it('refuses settings out of their range and keeps the old ones', () => {
    for (const wrong of [
      { precision: -1 },
      { precision: 1.5 },
      { edgeitems: -1 },
      { linewidth: 0 },
      { profile: 'x' },
      { sciMode: 1 },
    ])
      expect(() => torch.setPrintOptions(wrong as never), JSON.stringify(wrong)).toThrow(IsotorchError);
    expect(torch.getPrintOptions()).toEqual({
      precision: 4,
      threshold: 1000,
      edgeitems: 3,
      linewidth: 80,
      sciMode: null,
    });
  });
});

describe('a tensor where JavaScript wants a value', () => {
  it('is its number if it has one element', () => {
    expect(Number(torch.tensor(2.5))).toBe(2.5);
    expect((torch.tensor([3]) as unknown as number) + 1).toBe(4);
    expect(JSON.stringify({ loss: torch.tensor(0.5), right: torch.tensor(true) })).toBe('{"loss":0.5,"right":true}');
  });

  it('says what to call if it has more', () => {
    const x = torch.ones([2]) as unknown as number;
    for (const use of [() => x + 1, () => Number(x), () => x > 0, () => -x, () => JSON.stringify({ x })])
      expect(use).toThrow(/ERR_ARGUMENT|Expected a tensor of one real number/);
    expect(() => x + 1).toThrow('received Tensor float32 [2]; operators are methods: t.add(1)');
    expect(() => JSON.stringify(torch.tensor(2n ** 60n))).toThrow('String(t.item())');
    expect(() => Number(torch.tensor({ re: 1, im: 1 }))).toThrow(IsotorchError);
  });
});
