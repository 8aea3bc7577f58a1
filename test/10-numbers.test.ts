// Numbers on their way in: what a dtype can't hold is refused, and everything else becomes what it becomes in PyTorch, for
// every dtype and every way in. And what dtypes hold: finfo, iinfo, constants.

import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { IsotorchError } from '../lib/errors.js';
import { type DType, dtypes, memory, type Scalar, type Tensor, torch } from '../lib/tensor/index.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const plain = dtypes.filter((dtype) => !dtype.startsWith('q'));

/** Numbers as both languages write them; what JavaScript can't tell from an integer is none of them with a point. */
const numbers = [
  ...[
    '0',
    '1',
    '-1',
    '127',
    '128',
    '-128',
    '-129',
    '255',
    '256',
    '-255',
    '-256',
    '300',
    '-300',
    '32767',
    '32768',
    '-32769',
  ],
  ...['65504', '65520', '65535', '65536', '-65535', '-65536', '2147483647', '2147483648', '-2147483648', '-2147483649'],
  ...['4294967295', '4294967296', '-4294967296', '9007199254740993', '9223372036854775807', '-9223372036854775808'],
  ...['9223372036854775808', '18446744073709551615', '18446744073709551616', '-9223372036854775809'],
  ...[
    '0.5',
    '-0.5',
    '1.5',
    '-1.5',
    '255.5',
    '-255.5',
    '300.5',
    '65535.5',
    '1e-8',
    '3.4e38',
    '3.5e38',
    '1e300',
    '-1e300',
  ],
  ...['nan', 'inf', '-inf', 'True', 'False'],
];
const words: Record<string, Scalar> = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity, True: true, False: false };
const parse = (text: string): Scalar =>
  words[text] ??
  (/^-?\d+$/.test(text) ? (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)) : Number(text));

const fractional = (text: string) => Number(text) % 1 !== 0 && Number.isFinite(Number(text));

const ways: Record<string, { python: string; ours: (value: Scalar, dtype: DType) => Tensor }> = {
  tensor: { python: 'torch.tensor(v, dtype=d)', ours: (value, dtype) => torch.tensor(value, { dtype }) },
  'tensor of a list': {
    python: 'torch.tensor([[v]], dtype=d)',
    ours: (value, dtype) => torch.tensor([[value]], { dtype }),
  },
  full: { python: 'torch.full((1,), v, dtype=d)', ours: (value, dtype) => torch.full([1], value as number, { dtype }) },
  fill_: { python: 'zeros.fill_(v)', ours: (value, dtype) => torch.zeros([1], { dtype }).fill_(value as number) },
  maskedFill: {
    python: 'zeros.masked_fill(torch.tensor([True]), v)',
    ours: (value, dtype) => torch.zeros([1], { dtype }).maskedFill(torch.tensor([true]), value as number),
  },
  add: { python: 'zeros.add(v)', ours: (value, dtype) => torch.zeros([1], { dtype }).add(value as number) },
  add_: { python: 'zeros.add_(v)', ours: (value, dtype) => torch.zeros([1], { dtype }).add_(value as number) },
  mul: { python: 'zeros.mul(v)', ours: (value, dtype) => torch.zeros([1], { dtype }).mul(value as number) },
  gt: { python: 'zeros.gt(v)', ours: (value, dtype) => torch.zeros([1], { dtype }).gt(value as number) },
  eq: { python: 'zeros.eq(v)', ours: (value, dtype) => torch.zeros([1], { dtype }).eq(value as number) },
  clamp: {
    python: 'zeros.clamp(min=v)',
    ours: (value, dtype) => torch.zeros([1], { dtype }).clamp({ min: value as number }),
  },
  where: {
    python: 'torch.where(torch.tensor([True]), v, zeros)',
    ours: (value, dtype) => torch.where(torch.tensor([true]), value as number, torch.zeros([1], { dtype })),
  },
};

const inPython = `
import warnings
warnings.filterwarnings('ignore')
inf, nan = math.inf, math.nan
def one(way, text, dtype):
    d = getattr(torch, dtype)
    v = eval(text)
    zeros = torch.empty((1,), dtype=d)
    zeros.view(torch.uint8).zero_()
    try:
        return str(eval(way, {'torch': torch, 'v': v, 'd': d, 'zeros': zeros}))
    except Exception as error:
        return 'error'
emit([one(*case) for case in input])
`;

describe('a number on its way into a dtype', () => {
  const { it: withPython } = needs(python, 'a Python that has torch');

  withPython('becomes what it becomes in PyTorch, or is refused where PyTorch refuses it', () => {
    const cases = Object.entries(ways).flatMap(([way, { python: code, ours }]) =>
      plain.flatMap((dtype) => numbers.map((text) => ({ way, code, dtype, text, ours }))),
    );
    const theirs: string[] = runPython(
      inPython,
      cases.map(({ code, text, dtype }) => [code, text, dtype]),
    );
    const different = cases.flatMap(({ way, dtype, text, ours }, i) => {
      let got: string;
      try {
        got = String(ours(parse(text), dtype));
      } catch (error) {
        if (!(error instanceof IsotorchError)) throw error;
        got = 'error';
      }
      // Fractions in int64, which PyTorch cuts off, are refused: see below.
      if (way.startsWith('tensor') && dtype === 'int64' && fractional(text) && got === 'error') return [];
      return got === theirs[i] ? [] : [`${way} ${dtype} ${text}: ${got} instead of ${theirs[i]}`];
    });
    expect(different).toEqual([]);
  });

  it('is refused with its dtype and its value', () => {
    for (const make of [
      () => torch.tensor([1, 300], { dtype: 'uint8' }),
      () => torch.tensor(Float32Array.of(300), { dtype: 'uint8' }),
      () => torch.tensor(Number.NaN, { dtype: 'int32' }),
      () => torch.tensor(Infinity, { dtype: 'int64' }),
      () => torch.tensor(1.5, { dtype: 'int64' }),
      () => torch.tensor(1n << 63n),
      () => torch.tensor({ re: 1, im: 2 }, { dtype: 'float32' }),
      () => torch.full([2], 300, { dtype: 'uint8' }),
      () => torch.zeros([2], { dtype: 'int8' }).fill_(128),
      () => torch.zeros([2], { dtype: 'int16' }).fill_(Number.NaN),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: 'ERR_DTYPE' }));
    }
    expect(() => torch.tensor([300], { dtype: 'uint8' })).toThrow(
      'Expected numbers that fit uint8 for data but received 300: it cannot be converted to type uint8 without overflow',
    );
  });

  it('keeps what TypedArrays hold, in every integer dtype that has room for it', () => {
    expect(torch.tensor(Uint8Array.of(0, 255), { dtype: 'int64' }).tolist()).toEqual([0, 255]);
    expect(torch.tensor(Float64Array.of(-1.5, 127), { dtype: 'int8' }).tolist()).toEqual([-1, 127]);
    expect(torch.tensor(BigInt64Array.of(-5n), { dtype: 'int16' }).tolist()).toEqual([-5]);
    expect(torch.tensor(BigUint64Array.of(2n ** 64n - 1n)).item()).toBe(2n ** 64n - 1n);
    expect(torch.tensor(Uint8Array.of(3, 0), { dtype: 'bool' }).tolist()).toEqual([true, false]);
  });

  it('may be complex', () => {
    const z = torch.tensor([
      [{ re: 1, im: 2 }, 3],
      [0.5, { re: 0, im: -1 }],
    ]);
    expect(z.dtype).toBe('complex64');
    expect(torch.viewAsReal(z).tolist()).toEqual([
      [
        [1, 2],
        [3, 0],
      ],
      [
        [0.5, 0],
        [0, -1],
      ],
    ]);
    expect(torch.tensor({ re: 1, im: 2 }, { dtype: 'complex128' }).item()).toEqual({ re: 1, im: 2 });
  });
});

describe('data that is not what it seems', () => {
  const attempt = (make: () => unknown): string => {
    try {
      make();
      return 'none';
    } catch (error) {
      return error instanceof IsotorchError ? error.code : String(error);
    }
  };

  it('may not nest without end, or deeper than LibTorch', () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(attempt(() => torch.tensor(cyclic as never))).toBe('ERR_SHAPE');
    const nested = (depth: number): never => Array.from({ length: depth }).reduce((inner) => [inner], 1) as never;
    expect(torch.tensor(nested(64)).ndim).toBe(64);
    expect(attempt(() => torch.tensor(nested(65)))).toBe('ERR_SHAPE');
    expect(attempt(() => torch.tensor([[1, 2], [3]]))).toBe('ERR_SHAPE');
    expect(
      attempt(() =>
        torch.tensor([
          [1, 2],
          [[3], 4],
        ] as never),
      ),
    ).toBe('ERR_SHAPE');
  });

  it('may not claim more than there is, and nothing is allocated for the claim', () => {
    const huge: number[] = [1];
    huge.length = 2 ** 32 - 1;
    const before = memory();
    expect(attempt(() => torch.tensor(huge))).toBe('ERR_SHAPE');
    expect(attempt(() => torch.fromBuffer(new Uint8Array(4), { dtype: 'uint8', shape: huge }))).toMatch(/^ERR_/);
    expect(attempt(() => torch.fromBuffer(new Uint8Array(4), { dtype: 'uint8', shape: [2 ** 32 - 1] }))).toBe(
      'ERR_SHAPE',
    );
    expect(attempt(() => torch.fromBuffer(new Uint8Array(4), { dtype: 'float64', shape: [2 ** 61] }))).toMatch(/^ERR_/);
    expect(attempt(() => torch.zeros([2 ** 32 - 1, 2 ** 32 - 1]))).toMatch(/^ERR_/);
    expect(attempt(() => torch.zeros(huge))).toBe('ERR_OPERATOR');
    expect(attempt(() => torch.cat(huge as never))).toBe('ERR_OPERATOR');
    expect(memory()).toEqual(before);
  });

  it('may change while options are read', () => {
    const memoryOf = new ArrayBuffer(64);
    const bytes = new Float32Array(memoryOf);
    const detaching = [16];
    Object.defineProperty(detaching, 0, {
      get() {
        if (memoryOf.byteLength > 0) structuredClone(memoryOf, { transfer: [memoryOf] });
        return 16;
      },
    });
    expect(attempt(() => torch.fromBuffer(bytes, { dtype: 'float32', shape: detaching }))).toBe('ERR_SHAPE');

    const resizable = new (
      ArrayBuffer as unknown as new (
        size: number,
        options: object,
      ) => ArrayBuffer & { resize(size: number): void }
    )(1 << 16, { maxByteLength: 1 << 16 });
    const shrinking = [1 << 16];
    Object.defineProperty(shrinking, 0, {
      get() {
        resizable.resize(4);
        return 1 << 16;
      },
    });
    expect(attempt(() => torch.fromBuffer(new Uint8Array(resizable), { dtype: 'uint8', shape: shrinking }))).toBe(
      'ERR_SHAPE',
    );

    const growing = [1, 2, 3] as number[];
    Object.defineProperty(growing, 1, { get: () => growing.push(1) });
    expect(attempt(() => torch.tensor(growing))).toBe('ERR_SHAPE');
  });

  it('may come from another realm', () => {
    const foreign = vm.runInNewContext('[new Float64Array([1, 2.5]), new Uint8Array([7]), [[1], [2]]]');
    expect(torch.tensor(foreign[0]).dtype).toBe('float64');
    expect(torch.tensor(foreign[0]).tolist()).toEqual([1, 2.5]);
    expect(torch.tensor(foreign[1]).dtype).toBe('uint8');
    expect(torch.tensor(foreign[2]).shape).toEqual([2, 1]);
    expect(torch.fromBuffer(foreign[0], { dtype: 'float64' }).tolist()).toEqual([1, 2.5]);
  });
});

describe('what dtypes hold', () => {
  const { it: withPython } = needs(python, 'a Python that has torch');

  withPython('is told as PyTorch tells it', () => {
    const theirs = runPython(
      `
      def info(of, dtype, names):
          try:
              found = of(getattr(torch, dtype))
              return {name: str(value) if isinstance(value := getattr(found, name), int) else value for name in names}
          except Exception: return None
      emit({dtype: [info(torch.finfo, dtype, ['bits', 'eps', 'max', 'min', 'smallest_normal', 'tiny', 'resolution', 'dtype']),
                    info(torch.iinfo, dtype, ['bits', 'max', 'min', 'dtype'])] for dtype in input})
    `,
      dtypes,
    );
    const attempt = (make: () => object) => {
      try {
        const entries = Object.entries(make()).map(([key, value]) => [
          key === 'smallestNormal' ? 'smallest_normal' : key,
          value,
        ]);
        return Object.fromEntries(entries.map(([key, value]) => [key, key === 'bits' ? String(value) : value]));
      } catch (error) {
        return (error as IsotorchError).code === 'ERR_DTYPE' ? null : error;
      }
    };
    const texts = (info: Record<string, unknown> | null) =>
      info && Object.fromEntries(Object.entries(info).map(([key, value]) => [key, String(value)]));
    for (const dtype of dtypes) {
      expect(
        attempt(() => torch.finfo(dtype)),
        dtype,
      ).toEqual(theirs[dtype][0]);
      expect(texts(attempt(() => torch.iinfo(dtype))), dtype).toEqual(theirs[dtype][1]);
    }
  });

  it('is a number where that is exact', () => {
    expect(torch.finfo().eps).toBe(2 ** -23);
    expect(torch.finfo('complex64').dtype).toBe('float32');
    expect(torch.iinfo('int32')).toEqual({ dtype: 'int32', bits: 32, max: 2147483647, min: -2147483648 });
    expect(torch.iinfo('int64').max).toBe(9223372036854775807n);
    expect(torch.iinfo('uint64').min).toBe(0);
    expect([torch.pi, torch.e, torch.inf, torch.nan, torch.newaxis]).toEqual([Math.PI, Math.E, Infinity, NaN, null]);
  });
});
