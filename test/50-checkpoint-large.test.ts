// Large storages go straight between file and memory: the same bytes, checks and errors as those that go in pieces.

import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadSafetensors, loadTorch, saveSafetensors, saveTorch } from '../lib/checkpoint/index.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { withFolder } from './support/checkpoints.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const count = 300_000; // 1.2 MB of float32: beyond what is read in pieces

/** Whole, shared, offset, transposed, of several dtypes, and small ones among them. */
function make(): Map<string, Tensor> {
  torch.manualSeed(5);
  const base = torch.randn([count]);
  return new Map<string, Tensor>([
    ['whole', base],
    ['view', base.narrow(0, 7, 200_000)],
    ['transposed', torch.randn([500, 600]).t()],
    ['half', torch.randn([count]).to('float16')],
    ['flags', torch.randn([count]).gt(0)],
    ['complex', torch.randn([200_000], { dtype: 'complex64' }).conj()],
    ['small', torch.arange(5)],
    ['long', torch.randint(1000, [100_000])],
  ]);
}

const expectEqual = (loaded: ReadonlyMap<string, Tensor>, saved: ReadonlyMap<string, Tensor>) => {
  expect([...loaded.keys()].sort()).toEqual([...saved.keys()].sort());
  for (const [key, tensor] of saved) {
    expect(loaded.get(key)!.dtype).toBe(tensor.dtype);
    expect(
      tidy(() => loaded.get(key)!.equal(tensor)),
      key,
    ).toBe(true);
  }
};

it('come back as they were, from files and from bytes', () =>
  withFolder(async (folder) => {
    const saved = make();
    const path = join(folder, 'x.pt');
    await saveTorch(path, saved);
    const loaded = await loadTorch<Map<string, Tensor>>(path);
    expectEqual(loaded, saved);
    expect(loaded.get('view')!.storage().id).toBe(loaded.get('whole')!.storage().id);
    expect(loaded.get('transposed')!.stride()).toEqual([1, 600]);
    expectEqual(await loadTorch<Map<string, Tensor>>(readFileSync(path)), saved);
    expectEqual(await loadTorch<Map<string, Tensor>>(path, { mmap: true }), saved);

    const safe = join(folder, 'x.safetensors');
    await saveSafetensors(safe, saved, { shared: 'copy' });
    expectEqual(await loadSafetensors(safe), saved);
    expectEqual(await loadSafetensors(readFileSync(safe)), saved);
  }));

it('carry the checksum of every length, which Node’s own zlib confirms', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'x.pt');
    torch.manualSeed(6);
    const lengths = Array.from({ length: 80 }, (_, i) => (1 << 18) + i).concat((4 << 20) + 13);
    const saved = new Map(
      lengths.map((n) => [`${n}`, tidy(() => torch.randint(256, [n], { dtype: 'uint8' }))] as const),
    );
    await saveTorch(path, saved);
    // From bytes, so that zlib looks at every one.
    expectEqual(await loadTorch<Map<string, Tensor>>(readFileSync(path)), saved);
    expectEqual(await loadTorch<Map<string, Tensor>>(path), saved);
  }));

needs(python, 'a Python that has torch').it('are the same files as in pieces, and as Python’s', () =>
  withFolder(async (folder) => {
    const saved = make();
    const path = join(folder, 'x.pt');
    await saveTorch(path, saved);
    const sums = runPython(
      `
      loaded = torch.load(input, weights_only=True)
      again = torch.load(input, weights_only=True, mmap=True)
      assert all(torch.equal(a, b) for a, b in zip(loaded.values(), again.values()))
      emit({key: (value.real if value.is_complex() else value).double().sum().item() for key, value in loaded.items()})`,
      path,
    ) as Record<string, number>;
    for (const [key, tensor] of saved) {
      const real = tensor.dtype.startsWith('complex') ? torch.real(tensor.resolveConj()) : tensor;
      expect(sums[key], key).toBeCloseTo(real.to('float64').sum().item() as number, 5);
    }
  }),
);

it('that are damaged or cut off are refused, and nothing is left behind', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'x.pt');
    const saved = make();
    await saveTorch(path, saved);
    const whole = readFileSync(path);
    const before = memory().tensors;
    for (const at of [whole.length >> 2, whole.length >> 1]) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 4;
      writeFileSync(path, damaged);
      await expect(loadTorch(path)).rejects.toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringMatching(/checksum of entry "archive\/data\/\d" is/),
      });
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);

    const safe = join(folder, 'x.safetensors');
    await saveSafetensors(safe, saved, { shared: 'copy' });
    truncateSync(safe, 2_000_000);
    await expect(loadSafetensors(safe)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  }));
