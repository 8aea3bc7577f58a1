// Tensors from and to JavaScript: every dtype in and out without loss, shapes, views, moves between dtypes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DType, Buffer as ModuleBuffer, memory, Parameter, Tensor, tidy, torch } from '../lib/tensor/index.js';

const carriers = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  float8_e4m3fn: Uint8Array,
  float8_e5m2: Uint8Array,
} as const;
const sizes: Partial<Record<DType, number>> = {
  float64: 8,
  int64: 8,
  uint64: 8,
  float32: 4,
  int32: 4,
  uint32: 4,
  float16: 2,
  bfloat16: 2,
  int16: 2,
  uint16: 2,
};

describe('numbers in and out', () => {
  it('keeps every bit of every dtype, synchronously and not', async () => {
    for (const [dtype, carrier] of Object.entries(carriers) as [DType, (typeof carriers)[keyof typeof carriers]][]) {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 0, maxLength: 12 }), async (random) => {
          const size = sizes[dtype] ?? 1;
          // A bool's byte is 0 or 1; every other pattern of bits is a value.
          const bytes = new Uint8Array(random.length * size).map((_, i) =>
            dtype === 'bool' ? random[i]! & 1 : (random[i % random.length]! * (i + 7)) & 255,
          );
          const tensor = torch.fromBuffer(bytes, { dtype });
          expect(tensor.shape).toEqual([random.length]);
          expect(tensor.dtype).toBe(dtype);
          const array = await tensor.toArray();
          expect(array).toBeInstanceOf(carrier);
          expect(new Uint8Array(array.buffer)).toEqual(bytes);
          expect(new Uint8Array(tensor.toArraySync().buffer)).toEqual(bytes);
          tensor.dispose();
        }),
        { numRuns: 20 },
      );
    }
  });

  it('reads complex numbers as pairs', () => {
    const z = torch.fromBuffer(Float32Array.of(1, 2, 3, 4), { dtype: 'complex64' });
    expect(z.shape).toEqual([2]);
    expect(z.conj().toArraySync()).toEqual(Float32Array.of(1, -2, 3, -4));
    expect(z.sum().item()).toEqual({ re: 4, im: 6 });
  });

  it('reads views in their own order', async () => {
    const x = torch.arange(6).view([2, 3]).t();
    expect(x.isContiguous()).toBe(false);
    expect(await x.toArray()).toEqual(BigInt64Array.from([0n, 3n, 1n, 4n, 2n, 5n]));
    expect(x.tolist()).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
  });

  it('respects the offset of a TypedArray into its buffer', () => {
    const whole = Float32Array.of(1, 2, 3, 4);
    expect(torch.tensor(whole.subarray(1, 3)).tolist()).toEqual([2, 3]);
    expect(torch.fromBuffer(new Uint8Array(whole.buffer, 4, 8), { dtype: 'float32' }).tolist()).toEqual([2, 3]);
  });

  it("infers PyTorch's dtypes", () => {
    expect(torch.tensor([1, 2]).dtype).toBe('int64');
    expect(torch.tensor([1, 2.5]).dtype).toBe('float32');
    expect(torch.tensor([true, false]).dtype).toBe('bool');
    expect(torch.tensor([]).dtype).toBe('float32');
    expect(torch.tensor(3).shape).toEqual([]);
    expect(torch.tensor([-0]).dtype).toBe('float32');
    expect(Object.is(torch.tensor([-0]).item(), -0)).toBe(true);
    expect(torch.tensor([Number.NaN]).dtype).toBe('float32');
  });

  it('gives int64 as a number when it is safe and as a bigint else', () => {
    const big = 2n ** 60n + 1n;
    expect(torch.tensor([big]).item()).toBe(big);
    expect(torch.tensor([2 ** 53 - 1]).item()).toBe(2 ** 53 - 1);
    expect(torch.tensor([[big, 1n]]).tolist()).toEqual([[big, 1]]);
    expect(torch.full([1], big).item()).toBe(big);
  });

  it('rounds to half types as LibTorch does', () => {
    expect(torch.tensor([1.00001, 65504, 1e6], { dtype: 'float16' }).tolist()).toEqual([1, 65504, Infinity]);
    expect(torch.tensor([Math.PI], { dtype: 'bfloat16' }).tolist()).toEqual([3.140625]);
  });

  it('shapes nested arrays and refuses ragged ones', () => {
    expect(
      torch.tensor([
        [[1], [2]],
        [[3], [4]],
      ]).shape,
    ).toEqual([2, 2, 1]);
    expect(torch.tensor([[], []]).shape).toEqual([2, 0]);
    expect(() => torch.tensor([[1, 2], [3]])).toThrow(/equal lengths, 2 at depth 2/);
  });
});

describe('a tensor', () => {
  it('tells its facts', () => {
    const x = torch.zeros([2, 3, 4]).transpose(1, 2);
    expect([x.shape, x.stride(), x.ndim, x.numel(), x.storageOffset(), x.device, x.isContiguous()]).toEqual([
      [2, 4, 3],
      [12, 1, 4],
      3,
      24,
      0,
      'cpu',
      false,
    ]);
  });

  it('shows whose memory it views', () => {
    const x = torch.arange(4, { dtype: 'int32' });
    const view = x.slice(0, 2);
    expect(view.storage().id).toBe(x.storage().id);
    expect(view.storageOffset()).toBe(2);
    expect(x.clone().storage().id).not.toBe(x.storage().id);
    expect(view.storage().toBytes()).toEqual(new Uint8Array(Int32Array.of(0, 1, 2, 3).buffer));
  });

  it('converts with to() and stays itself where nothing changes', () => {
    const x = torch.tensor([1.7, -1.2]);
    expect(x.to('float32')).toBe(x);
    expect(x.to('cpu')).toBe(x);
    expect(x.to('int64').tolist()).toEqual([1, -1]);
    expect(x.to({ dtype: 'float64', copy: true }).dtype).toBe('float64');
    expect(x.to({ copy: true })).not.toBe(x);
    expect(x.to(torch.zeros([1], { dtype: 'float16' })).dtype).toBe('float16');
    const image = torch.zeros([1, 3, 2, 2]).to({ memoryFormat: 'channels_last' });
    expect(image.stride()).toEqual([12, 1, 6, 3]);
  });

  it('takes over another tensor with replace_', () => {
    const x = torch.zeros([2]);
    const y = torch.ones([3]);
    x.replace_(y);
    y.dispose();
    expect(x.tolist()).toEqual([1, 1, 1]);
  });
});

describe('parameters and buffers', () => {
  it('are the tensor they were made from', () => {
    const data = torch.zeros([2]);
    const parameter = new Parameter(data);
    expect(parameter).toBeInstanceOf(Tensor);
    expect(parameter.requiresGrad).toBe(true);
    torch.noGrad(() => parameter.add_(1));
    expect(data.tolist()).toEqual([1, 1]);
    expect(new ModuleBuffer(torch.zeros([1]), false).persistent).toBe(false);
  });

  it('detach from a graph', () => {
    const x = torch.ones([2], { requiresGrad: true });
    const parameter = new Parameter(x.mul(2));
    expect(parameter.isLeaf).toBe(true);
    expect(parameter.tolist()).toEqual([2, 2]);
  });

  it('outlive the scope that made them', () => {
    const before = memory().tensors;
    const parameter = tidy(() => {
      const made = new Parameter(torch.ones([4]));
      torch.ones([4]);
      return { inside: made };
    }).inside;
    expect(parameter.sum().item()).toBe(4);
    expect(memory().tensors).toBeLessThanOrEqual(before + 2);
  });
});
