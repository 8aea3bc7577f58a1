// Normalisation, bit for bit as PyTorch does it; and the sets that are made rather than found.
import { describe, expect, it } from 'vitest';
import { gaussianNoise, ImageDataset, normalize, pixelShuffled, statistics, uniformNoise } from '../lib/data/index.js';
import { IsotorchError } from '../lib/errors.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const values = (tensor: Tensor) => Array.from(tensor.toArraySync(), Number);

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(IsotorchError);
    return (error as IsotorchError).code;
  }
  throw new Error('no error was thrown');
}

describe('normalize', () => {
  needs(python, 'a Python that has torch').it("gives the bits of torchvision's ToTensor and Normalize", () => {
    tidy(() => {
      const every = torch.arange(256).to('uint8');
      const grey = every.view([1, 1, 16, 16]);
      const colour = every.repeat([3]).view([1, 3, 16, 16]);
      const cases = Object.values(statistics).map(({ mean, std }) => ({
        mean: [...mean],
        std: [...std],
        images: mean.length === 1 ? grey : colour,
      }));
      const expected = runPython(
        `
        def one(case):
            # ToTensor is .to(float32).div(255); Normalize is sub_(mean).div_(std), statistics in float32
            mean, std = (torch.as_tensor(case[key], dtype=torch.float32).view(-1, 1, 1) for key in ('mean', 'std'))
            return T(case['images']).to(torch.float32).div(255).sub_(mean).div_(std)
        emit([one(case) for case in input])
        `,
        cases.map((one) => ({ ...one, images: encode(one.images) })),
      );
      cases.forEach(({ images, ...numbers }, i) => {
        expect(encode(normalize(images, numbers))).toEqual(expected[i]);
      });
    });
  });

  it('takes float images as 0 … 1, single images, other float types, and leaves its input alone', () => {
    tidy(() => {
      const numbers = { mean: [0.5, 0], std: [0.5, 2] };
      const float = torch.tensor([0, 1, 1, 0.5]).view([2, 1, 2]);
      for (const images of [float, float.unsqueeze(0), float.to('float64'), float.to('bfloat16')]) {
        const out = normalize(images, numbers);
        expect([out.dtype, out.shape, values(out)]).toEqual(['float32', images.shape, [-1, 1, 0.5, 0.25]]);
      }
      expect(values(float)).toEqual([0, 1, 1, 0.5]);
      const bytes = torch.tensor(Uint8Array.of(255, 0)).view([1, 2, 1, 1]);
      normalize(bytes, numbers);
      expect(values(bytes)).toEqual([255, 0]);
    });
  });

  it('passes gradients to float images', () => {
    tidy(() => {
      const images = torch.ones([1, 1, 2, 2], { requiresGrad: true });
      normalize(images, { mean: [0.1], std: [0.25] })
        .sum()
        .backward();
      expect(values(images.grad!)).toEqual([4, 4, 4, 4]);
    });
  });

  it('leaves one tensor, outside tidy too', () => {
    const images = torch.zeros([1, 1, 2, 2], { dtype: 'uint8' });
    const before = memory().tensors;
    const out = normalize(images, statistics.mnist);
    expect(memory().tensors).toBe(before + 1);
    out.dispose();
    images.dispose();
  });

  it.each([
    ['ERR_SHAPE', { mean: [0, 0], std: [1] }],
    ['ERR_SHAPE', { mean: [0], std: [] }],
    ['ERR_ARGUMENT', { mean: [0], std: [0] }],
    ['ERR_ARGUMENT', { mean: [0], std: [-1] }],
    ['ERR_ARGUMENT', { mean: [Number.NaN], std: [1] }],
    ['ERR_ARGUMENT', { mean: ['0'], std: [1] }],
    ['ERR_ARGUMENT', { mean: 0, std: 1 }],
  ])('%s for %j', (code, numbers) => {
    tidy(() =>
      expect(codeOf(() => normalize(torch.zeros([1, 1, 2, 2], { dtype: 'uint8' }), numbers as never))).toBe(code),
    );
  });

  it('refuses other shapes and dtypes', () => {
    tidy(() => {
      expect(codeOf(() => normalize(torch.zeros([2, 2]), statistics.mnist))).toBe('ERR_SHAPE');
      expect(codeOf(() => normalize(torch.zeros([1, 2, 2], { dtype: 'int64' }), statistics.mnist))).toBe('ERR_DTYPE');
    });
  });
});

describe('noise', () => {
  const pixels = (set: ImageDataset) => set.images.toArraySync() as Uint8Array;
  const share = (set: ImageDataset, value: number) =>
    pixels(set).filter((pixel) => pixel === value).length / pixels(set).length;

  it('is 28×28 grey, without labels, or like another set', () => {
    const like = ImageDataset.fromArrays({
      images: new Uint8Array(3 * 6),
      shape: [1, 3, 2, 3],
      statistics: { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] },
    });
    for (const make of [uniformNoise, gaussianNoise]) {
      expect([make(5).images.shape, make(5).labels]).toEqual([[5, 1, 28, 28], null]);
      expect([make(5, { like }).shape, make(5, { like }).statistics]).toEqual([[3, 2, 3], like.statistics]);
      expect(make(5, { shape: [3, 4, 5] }).shape).toEqual([3, 4, 5]);
    }
  });

  it('depends on its seed alone and not on the global generator', () => {
    for (const make of [uniformNoise, gaussianNoise]) {
      torch.manualSeed(3);
      const hash = make(20, { seed: 1 }).contentHash;
      const next = values(torch.rand([3]));
      torch.manualSeed(3);
      expect(values(torch.rand([3]))).toEqual(next);
      expect(make(20, { seed: 1 }).contentHash).toBe(hash);
      expect(make(20, { seed: 2 }).contentHash).not.toBe(hash);
      expect(make(20).contentHash).toBe(make(20, { seed: 0 }).contentHash);
    }
    expect(uniformNoise(20).contentHash).not.toBe(gaussianNoise(20).contentHash);
  });

  it('uniform noise is even over 0 … 255', () => {
    const set = uniformNoise(500);
    expect(set.statistics.mean[0]).toBeCloseTo(0.5, 2);
    expect(set.statistics.std[0]).toBeCloseTo(Math.sqrt((256 ** 2 - 1) / 12) / 255, 3);
    for (const value of [0, 17, 255]) expect(share(set, value)).toBeCloseTo(1 / 256, 3);
  });

  it("Gaussian noise has ODIN's clamped ends, and the mean and deviation asked for", () => {
    const odin = gaussianNoise(500);
    expect(share(odin, 0)).toBeCloseTo(0.3092, 2); // Φ((0.5 − 127.5) / 255)
    expect(share(odin, 255)).toBeCloseTo(0.3092, 2);
    const narrow = gaussianNoise(500, { mean: 0.4, std: 0.05 });
    expect(narrow.statistics.mean[0]).toBeCloseTo(0.4, 3);
    expect(narrow.statistics.std[0]).toBeCloseTo(0.05, 3);
  });

  it('refuses what makes no sense', () => {
    for (const call of [
      () => uniformNoise(0),
      () => uniformNoise(1.5),
      () => uniformNoise(1, { seed: -1 }),
      () => uniformNoise(1e9, { shape: [3, 1000, 1000] }),
      () => uniformNoise(1, { like: {} as ImageDataset }),
      () => gaussianNoise(1, { std: 0 }),
      () => gaussianNoise(1, { mean: Number.NaN }),
      () => pixelShuffled({} as ImageDataset),
    ]) {
      expect(codeOf(call)).toBe('ERR_ARGUMENT');
    }
    expect(codeOf(() => uniformNoise(1, { shape: [28, 28] as never }))).toBe('ERR_SHAPE');
  });
});

describe('pixelShuffled', () => {
  const size = 6;
  const whole = () =>
    ImageDataset.fromArrays({
      images: Uint8Array.from({ length: size * 3 * 20 }, (_, i) => i % 240),
      shape: [size, 3, 4, 5],
      labels: Array(size).fill(0),
      name: 'some',
    });

  it('permutes the pixels of each image in its own order, channels together, and drops the labels', () => {
    const set = whole();
    const shuffled = pixelShuffled(set, { seed: 1 });
    expect([shuffled.images.shape, shuffled.labels, shuffled.name]).toEqual([set.images.shape, null, 'some-shuffled']);
    const [from, to] = [set, shuffled].map(({ images }) => values(images));
    const orders = Array.from({ length: size }, (_, i) => {
      const at = (table: number[], c: number) => table.slice((i * 3 + c) * 20, (i * 3 + c + 1) * 20);
      const order = at(to!, 0).map((pixel) => at(from!, 0).indexOf(pixel));
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, k) => k));
      for (const c of [1, 2]) expect(at(to!, c)).toEqual(order.map((k) => at(from!, c)[k]));
      return order.join();
    });
    expect(new Set(orders).size).toBe(size);
  });

  it('depends on the seed alone', () => {
    expect(pixelShuffled(whole()).contentHash).toBe(pixelShuffled(whole(), { seed: 0 }).contentHash);
    expect(pixelShuffled(whole(), { seed: 1 }).contentHash).not.toBe(pixelShuffled(whole()).contentHash);
  });
});
