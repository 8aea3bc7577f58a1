// Whatever reads asynchronously shows the values at the call, whatever is done to the tensors meanwhile.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  capture,
  checkpoint,
  data,
  Feed,
  loadScript,
  memory,
  nn,
  ood,
  optim,
  readStorage,
  type ScriptModule,
  type Tensor,
  type TypedArray,
  tidy,
  torch,
  writeStorage,
} from '../lib/rooms.js';
import { interleave } from './support/interleavings.js';
import { python } from './support/python.js';

const LARGE = 1 << 19;
let folder: string;
let script: ScriptModule | undefined;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-interleavings-'));
  if (!python) return;
  execFileSync(python, [fileURLToPath(new URL('./fixtures/make_loops.py', import.meta.url)), folder], {
    stdio: 'pipe',
  });
  script = await loadScript(file('adds.pt'));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const all = (array: TypedArray, value: number): boolean => {
  for (let i = 0; i < array.length; i++) if (array[i] !== value) return false;
  return true;
};

describe('an array that is being read', () => {
  it('waits in the queue, while the tensor is resized or given other memory', async () => {
    const big = torch.zeros([1 << 22]);
    for (const change of [
      (x: Tensor) => x.resize_([LARGE]).fill_(2),
      (x: Tensor) => x.set_(big),
      (x: Tensor) => x.fill_(3),
    ]) {
      const x = torch.ones([4]);
      const reads = [big.toArray(), x.toArray()];
      change(x);
      expect(await reads[1]).toEqual(Float32Array.of(1, 1, 1, 1));
      expect((await reads[0])!.length).toBe(1 << 22);
    }
  });

  it('is of before or of after an optimizer’s step, never half of each', async () => {
    const model = new nn.Linear(1024, 1024);
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.1 });
    for (let i = 0; i < 10; i++) {
      tidy(() =>
        model
          .forward(torch.randn([4, 1024]))
          .pow(2)
          .sum()
          .backward(),
      );
      const before = model.weight.toArraySync();
      const read = model.weight.toArray();
      optimizer.step();
      expect(Buffer.compare(Buffer.from((await read).buffer), Buffer.from(before.buffer))).toBe(0);
      optimizer.zeroGrad();
    }
  });

  it('of a gradient, while backward() adds to it', async () => {
    const w = torch.ones([LARGE], { requiresGrad: true });
    w.sum().backward();
    const read = w.grad!.toArray();
    w.sum().backward();
    expect(all(await read, 1)).toBe(true);
    expect(all(w.grad!.toArraySync(), 2)).toBe(true);
  });

  it('of the parts of a sparse tensor', async () => {
    const sparse = torch.ones([LARGE]).toSparse();
    const read = sparse._values().toArray();
    sparse.mul_(2);
    expect(all(await read, 1)).toBe(true);
  });
});

describe('a file that is being written', () => {
  it.each(['torch', 'safetensors', 'npy'] as const)('%s shows the values at the call', async (format) => {
    const save = {
      torch: (x: Tensor) => checkpoint.saveTorch(file('x.pt'), { x }),
      safetensors: (x: Tensor) => checkpoint.saveSafetensors(file('x.pt'), { x }),
      npy: (x: Tensor) => checkpoint.saveNpy(file('x.pt'), x),
    }[format];
    const load = {
      torch: async () => (await checkpoint.loadTorch<Map<string, Tensor>>(file('x.pt'))).get('x')!,
      safetensors: async () => (await checkpoint.loadSafetensors(file('x.pt'))).get('x')!,
      npy: () => checkpoint.loadNpy(file('x.pt')),
    }[format];
    const changes = [
      (x: Tensor) => x.resize_([4 * LARGE]),
      (x: Tensor) => x.set_(torch.zeros([1])),
      (x: Tensor) => x.fill_(2),
      (x: Tensor) => x.dispose(),
    ];
    for (const [i, change] of changes.entries()) {
      const x = torch.ones([i % 2 === 0 ? 2 * LARGE : 16]);
      const saved = save(x);
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, i));
      change(x);
      await saved;
      expect(all((await load()).toArraySync(), 1)).toBe(true);
    }
  });

  it('takes no copy where nobody writes, one where somebody does', async () => {
    const x = torch.ones([4 * LARGE]);
    const before = memory();
    const saved = checkpoint.saveTorch(file('x.pt'), { x, y: x.narrow(0, 0, 10) });
    x.neg(); // reading is no matter
    await saved;
    expect(memory().tensors).toBeLessThanOrEqual(before.tensors + 2);
  });

  it('is written beside captured steps that change what it holds', async () => {
    const x = torch.zeros([LARGE]);
    const step = capture((y: Tensor) => x.add_(y).sum());
    const one = torch.ones([1]);
    await step(one);
    for (let i = 1; i < 10; i++) {
      const called = [step(one), step(one)];
      const saved = checkpoint.saveTorch(file('x.pt'), { x });
      called.push(step(one));
      await saved;
      const loaded = await checkpoint.loadTorch<Map<string, Tensor>>(file('x.pt'));
      expect(all(loaded.get('x')!.toArraySync(), 3 * i)).toBe(true);
      await Promise.all(called);
    }
  });
});

describe('a storage that is filled from a file', () => {
  it('is waited for, by who reads and by who gives it other memory', async () => {
    writeFileSync(file('bytes'), Buffer.alloc(4 * LARGE, 1));
    const fd = openSync(file('bytes'), 'r');
    try {
      for (const use of [
        (x: Tensor) => x.sum(),
        (x: Tensor) =>
          x
            .resize_([8 * LARGE])
            .narrow(0, 0, 4 * LARGE)
            .sum(),
      ]) {
        const x = torch.zeros([4 * LARGE], { dtype: 'uint8' });
        const filled = readStorage(x, fd, { start: 0, length: 4 * LARGE, offset: 0 });
        expect(use(x).item()).toBe(4 * LARGE);
        expect((await filled).done).toBe(4 * LARGE);
      }
      const x = torch.zeros([4 * LARGE], { dtype: 'uint8' });
      const filled = readStorage(x, fd, { start: 0, length: 4 * LARGE, offset: 0 });
      const read = x.toArray();
      x.fill_(9);
      expect(all((await read) as Uint8Array, 1)).toBe(true);
      await filled;
      expect(all(x.toArraySync() as Uint8Array, 9)).toBe(true);
    } finally {
      closeSync(fd);
    }
  });

  it('and one that is written to a file', async () => {
    const fd = openSync(file('out'), 'w');
    const x = torch.ones([LARGE], { dtype: 'uint8' });
    const written = writeStorage(x, fd, { start: 0, length: LARGE });
    x.fill_(2);
    await written;
    closeSync(fd);
    expect(all(readFileSync(file('out')), 1)).toBe(true);
  });
});

describe('hashes and batches', () => {
  it('are of the values at the call', async () => {
    const x = torch.zeros([2 * LARGE]);
    const wanted = await ood.hashTensors({ x });
    const hashed = ood.hashTensors({ x });
    x.fill_(1);
    expect(await hashed).toBe(wanted);
  });

  it('a stream gives the set as it was when it began', async () => {
    for (let k = 0; k < 10; k++) {
      const images = torch.ones([2000, 1, 32, 32], { dtype: 'uint8' });
      const set = new data.ImageDataset({
        images,
        labels: torch.zeros([2000], { dtype: 'int64' }),
        classes: ['a'],
        name: 'x',
      });
      let seen = 0;
      for await (const batch of set.batches(500, { shuffle: true }).stream()) {
        expect(batch.images.sum().item()).toBe(500 * 1024);
        if (seen++ === 0) {
          if (k % 3 === 0) images.fill_(2);
          else images.set_(torch.zeros([2000, 1, 1, 1], { dtype: 'uint8' }));
        }
      }
      expect(seen).toBe(4);
    }
  });

  it('a feed’s sources may be resized and disposed of', async () => {
    for (let k = 0; k < 10; k++) {
      const source = torch.ones([1024, 256]);
      const plan = torch.randint(1024, [1, 4096]);
      const feed = new Feed([source], plan, { batch: 1024, from: 0, count: 4, ahead: 2, device: 'cpu' });
      if (k % 2 === 0) source.resize_([4096, 1024]).fill_(2);
      plan.dispose();
      source.dispose();
      for (let batch = await feed.next(); batch; batch = await feed.next()) expect(batch[0]!.mean().item()).toBe(1);
      feed.end();
    }
  });
});

describe('captured steps', () => {
  it('that write into an input are waited for by who reads it', async () => {
    const step = capture((x: Tensor) => {
      let y = x;
      for (let i = 0; i < 20; i++) y = y.sin();
      x.add_(1);
      return y.sum();
    });
    const x = torch.zeros([LARGE]);
    await step(x);
    const called = step(x);
    expect(all(x.toArraySync(), 2)).toBe(true);
    await called;
  });

  it('see other memory of what they captured', async () => {
    const x = torch.zeros([LARGE]);
    const step = capture((y: Tensor) => x.add_(y).sum());
    const one = torch.ones([1]);
    await step(one);
    x.set_(torch.full([LARGE], 5, { dtype: 'float32' }));
    const called = [step(one), step(one)];
    expect(all(x.toArraySync(), 7)).toBe(true);
    await Promise.all(called);
    expect(step.recordings).toBe(2);
  });

  it('that change a tensor’s form are done when the call returns', async () => {
    const x = torch.zeros([8]);
    const step = capture((y: Tensor) => x.resize_([4]).resize_([16]).fill_(0).add_(y).sum());
    for (let i = 0; i < 5; i++) {
      const called = step(torch.ones([1]));
      expect(x.shape).toEqual([16]);
      await called;
    }
  });

  it('repeat sees each argument as it was given, and eager code comes after', async () => {
    const total = torch.zeros([1]);
    const rate = torch.ones([1]);
    const step = capture((x: Tensor) => total.add_(x.mul(rate)).clone());
    await step(torch.zeros([1]));
    const x = torch.zeros([1]);
    const seen: number[] = [];
    const totals = await step.repeat(
      (function* () {
        for (let i = 1; i <= 4; i++) {
          x.fill_(i);
          rate.fill_(10 ** i);
          yield x;
          if (i > 2) seen.push(total.item());
        }
      })(),
    );
    expect(totals.flatten().tolist()).toEqual([10, 210, 3210, 43210]);
    expect(seen).toEqual([3210, 43210]);
  });

  it('repeat leaves nothing behind when its iterable throws after steps were sent off', async () => {
    const total = torch.zeros([1]);
    const step = capture((x: Tensor) => total.add_(x).clone());
    const x = torch.ones([1]);
    await step(x);
    const before = memory().tensors;
    await expect(
      step.repeat(
        (function* () {
          yield x;
          total.item();
          throw new Error('enough');
        })(),
      ),
    ).rejects.toThrow('enough');
    expect(memory().tensors).toBe(before);
    expect(total.item()).toBe(2);
  });
});

it('500 random interleavings of all of it', async () => {
  for (let seed = 0; seed < 500; seed++) await interleave(seed, folder, script);
}, 240_000);
