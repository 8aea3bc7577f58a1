// The IsoMax family's own CUDA kernels: as exact as the CPU's, the same bits each time, whatever the switch for TF32 says, and
// in a CUDA graph too. Where there is no device, the kernels' sources run on the CPU, thread by thread
// (native/cudaOnHost): that proves their arithmetic, indices and what their threads wait for, but not cuBLAS, the launches,
// or anything about speed. Inputs and truth are always made on the CPU.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accelerated, native, openCuda } from '../lib/native.js';
import { capture, type Device, type DType, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { agreesWithCdist, definition, errors, hard, odd, ours, type Pair, randomPair } from './support/distances.js';
import { needs } from './support/skip.js';

const { distanceLogits, entropicLoss } = torch.ops.isomax;
const tree = fileURLToPath(new URL('../build/cmake', import.meta.url));
const release = fileURLToPath(new URL('../build/Release', import.meta.url));

const bytes = (tensor: Tensor) => Buffer.from(tensor.to('cpu').toArraySync().buffer).toString('base64');
const relative = (mine: Tensor, truth: Tensor) =>
  mine.to('float64').sub(truth).abs().div(truth.abs().clampMin(1e-30)).max().item();

/** What holds on any device that runs these kernels. */
function kernelsOn(device: Device) {
  for (const [name, make] of Object.entries(hard)) {
    it(`distances are right to 1e-5 and gradients to 1e-6: ${name}`, () => {
      torch.manualSeed(3);
      for (const [n, c, d] of [
        [24, 10, 1],
        [24, 10, 7],
        [24, 10, 128],
        [33, 65, 342],
        [24, 10, 2048],
        [24, 10, 4096],
      ] as const) {
        tidy(() => {
          const { forward, backward } = errors(make(n, c, d), device);
          expect([d, forward < 1e-5, backward < 1e-6, forward, backward]).toEqual([d, true, true, forward, backward]);
        });
      }
    });
  }

  for (const [name, make] of Object.entries(odd)) {
    it(`goes as in cdist: ${name}`, () => {
      expect(agreesWithCdist(make(randomPair()), device)).toEqual({ logits: true, features: true, prototypes: true });
    });
  }

  it('takes float64, bfloat16, float16, and sizes on both sides of a warp and a block', () => {
    torch.manualSeed(5);
    for (const [dtype, tolerance] of [
      ['float64', 1e-13],
      ['bfloat16', 2 ** -8],
      ['float16', 2 ** -10],
    ] as [DType, number][]) {
      for (const [n, c, d] of [
        [1, 1, 1],
        [31, 33, 511],
        [32, 32, 512],
        [65, 31, 513],
      ] as const) {
        const pair: Pair = [torch.randn([n, d]).to(dtype), torch.randn([c, d]).to(dtype)];
        const upstream = torch.randn([n, c]).to(dtype);
        const [mine, truth] = [ours(pair, upstream, device), definition(...pair, upstream)];
        expect(mine.logits.dtype).toBe(dtype);
        expect(mine.features.dtype).toBe(dtype);
        expect(relative(mine.logits, truth.logits)).toBeLessThan(tolerance);
        const sum = upstream.to('float64').abs().sum().item();
        expect(mine.features.sub(truth.features).abs().max().item()).toBeLessThan(tolerance * sum);
        expect(mine.prototypes.sub(truth.prototypes).abs().max().item()).toBeLessThan(tolerance * sum);
      }
    }
  });

  it('gives zeros for nothing: no features, no classes, no dimensions', () => {
    for (const [n, c, d] of [
      [0, 3, 4],
      [3, 0, 4],
      [3, 4, 0],
    ] as const) {
      const mine = ours([torch.ones([n, d]), torch.ones([c, d])], torch.ones([n, c]), device);
      expect(mine.logits.equal(torch.zeros([n, c]))).toBe(true);
      expect(mine.features.equal(torch.zeros([n, d]))).toBe(true);
      expect(mine.prototypes.equal(torch.zeros([c, d]))).toBe(true);
    }
  });

  it('gives the same bits each time, whatever the strides, and with TF32 allowed', () => {
    torch.manualSeed(8);
    const [f, p, upstream] = [torch.randn([70, 90]).add(1), torch.randn([130, 90]).add(1), torch.randn([70, 130])];
    const run = (...pair: Pair) => Object.values(ours(pair, upstream, device)).map(bytes);
    const plain = run(f, p);
    expect(run(f, p)).toEqual(plain);
    expect(run(f.t().contiguous().t(), p.t().contiguous().t())).toEqual(plain);
    const given = torch.backends.cuda.matmul.allowTf32;
    torch.backends.cuda.matmul.allowTf32 = true;
    try {
      expect(run(f, p)).toEqual(plain);
    } finally {
      torch.backends.cuda.matmul.allowTf32 = given;
    }
  });

  it('the loss and its gradient are those of the formula', () => {
    torch.manualSeed(6);
    for (const [n, c, dtype, digits] of [
      [1, 1, 'float32', 1e-6],
      [37, 10, 'float32', 1e-6],
      [300, 33, 'float64', 1e-13],
      [9, 2500, 'float32', 1e-6],
      [20, 31, 'bfloat16', 2 ** -8],
    ] as const) {
      const logits = torch.randn([n, c]).mul(3).sub(5).to(dtype);
      const labels = torch.randint(c, [n]);
      const leaf = logits.clone().to(device).requiresGrad_(true);
      const loss = entropicLoss(leaf, labels.to(device), 10);
      loss.mul(3).backward();
      const z = logits.to('float64').requiresGrad_(true);
      const truth = torch.crossEntropyLoss(z.mul(10), labels);
      truth.mul(3).backward();
      expect([loss.dtype, leaf.grad!.dtype]).toEqual([dtype, dtype]);
      expect(Math.abs(loss.item() - truth.item())).toBeLessThanOrEqual(digits * Math.max(truth.item(), 1));
      expect(leaf.grad!.to('cpu').sub(z.grad!).abs().max().item()).toBeLessThanOrEqual((digits * 30) / n);
      expect(bytes(entropicLoss(logits.to(device), labels.to(device), 10))).toBe(bytes(loss.detach()));
    }
  });

  it('the loss is exact for logits far apart, NaN where a logit is, and NaN for none', () => {
    const rows = [
      [0, -8.9, -1e6, Number.NEGATIVE_INFINITY],
      [0, Number.NaN, 1, 2],
    ];
    const run = (row: number[], label: number) => {
      const leaf = torch.tensor([row], { dtype: 'float32' }).to(device).requiresGrad_(true);
      const loss = entropicLoss(leaf, torch.tensor([label]).to(device), 10);
      loss.backward();
      return [loss.item(), leaf.grad!.to('cpu').tolist()];
    };
    expect(run(rows[0]!, 2)).toEqual([1e7, [[10, 0, -10, 0]]]);
    expect(run(rows[0]!, 3)[0]).toBe(Number.POSITIVE_INFINITY);
    expect(run(rows[1]!, 0)).toEqual([Number.NaN, [[Number.NaN, Number.NaN, Number.NaN, Number.NaN]]]);
    expect(
      entropicLoss(torch.zeros([0, 3]).to(device), torch.zeros([0], { dtype: 'int64' }).to(device), 10).item(),
    ).toBeNaN();
  });

  it('a captured training step ends where eager steps end', async () => {
    const train = () => {
      torch.manualSeed(9);
      const p = torch.randn([10, 64]).to(device).requiresGrad_(true);
      const inputs = Array.from(
        { length: 10 },
        () => [torch.randn([40, 64]).to(device), torch.randint(10, [40]).to(device)] as const,
      );
      const step = (x: Tensor, y: Tensor) => {
        const loss = entropicLoss(distanceLogits(x, p), y, 10);
        const [gradient] = torch.autograd.grad(loss, [p]);
        torch.noGrad(() => void p.sub_(gradient!.mul(0.1)));
        return { loss: loss.detach() };
      };
      return { p, inputs, step };
    };
    const eager = train();
    for (const [x, y] of eager.inputs) eager.step(x, y);
    const { p, inputs, step } = train();
    const captured = capture(step);
    for (const [x, y] of inputs) await captured(x, y);
    expect(bytes(p.detach())).toBe(bytes(eager.p.detach()));
    if (device === 'cuda') expect(captured.records[0]!.graph).toBe('one graph');
  });
}

const kernels = accelerated.find(({ name }) => name === 'kernels');
const { describe: withCuda } = needs(
  torch.cuda.isAvailable() && kernels?.problem === null,
  'a CUDA device, and the CUDA kernels built',
);
withCuda('on CUDA', () => kernelsOn('cuda'));

const played = !torch.cuda.isAvailable() && existsSync(join(tree, 'CMakeCache.txt'));
const { describe: withTree } = needs(played, 'a build of the addon in this checkout, and no CUDA device');
withTree('on the CPU, thread by thread', () => {
  beforeAll(() => {
    execFileSync('cmake', ['--build', tree, '--target', 'isomaxonhost'], { stdio: 'pipe' });
    native.openOperators(join(release, 'libisomaxonhost.so')); // in place of the CPU's kernels, in this process
  });
  kernelsOn('cpu');
});

describe('libraries for CUDA that are missing or broken', () => {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-cuda-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are told of, and keep nothing from starting', () => {
    expect(openCuda(native, folder).map(({ name, problem }) => [name, problem])).toEqual([
      ['graphs', expect.stringMatching(/not built.*CUDA's headers/)],
      ['kernels', expect.stringMatching(/not built.*nvcc/)],
    ]);
    for (const name of ['libisotorch_cuda.so', 'libisomax_cuda.so']) writeFileSync(join(folder, name), 'no library');
    for (const { library, problem } of openCuda(native, folder)) {
      expect(problem).toContain('Could not open the library');
      expect(problem).toContain(library);
    }
  });

  it('are none where LibTorch is built for the CPU, and otherwise those that it was built with', () => {
    const cuda = native.buildInfo().config.includes('USE_CUDA=1') || native.buildInfo().config.includes('USE_CUDA=ON');
    expect(accelerated.map(({ name }) => name)).toEqual(cuda ? ['graphs', 'kernels'] : []);
  });
});
