// Workers, promises and endings: the addon in several threads at once, jobs in flight when a thread goes, and
// processes that always end with exit code 0.

import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { torch } from '../lib/tensor/index.js';

const entry = new URL('../dist/tensor/index.js', import.meta.url).href;

/** A training step with everything in it: forward, loss, backward, update. */
const training = (steps: number) => `
  torch.manualSeed(1);
  const weight = torch.randn([20, 5], { requiresGrad: true });
  const x = torch.randn([16, 20]), labels = torch.randint(5, [16]);
  let last;
  for (let i = 0; i < ${steps}; i++) tidy(() => {
    const loss = torch.crossEntropyLoss(torch.ops.isomax.distanceLogits(x, weight.t()), labels);
    weight.grad = null;
    loss.backward();
    torch.noGrad(() => weight.sub_(weight.grad, { alpha: 0.1 }));
    last = loss.item();
  });`;

function work(code: string): { worker: Worker; message: Promise<unknown> } {
  const source = `const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(entry)}).then(async ({ torch, tidy, memory }) => { ${code} }).catch((error) => parentPort.postMessage({ error: String(error) }));`;
  const worker = new Worker(source, { eval: true });
  return { worker, message: new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)) };
}

function run(code: string): Promise<{ code: number | null; signal: string | null; output: string }> {
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { torch, tidy, memory } from ${JSON.stringify(entry)};\n${code}`,
  ]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      output += data;
    });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output })));
}

/** `count` runs, a few at a time. */
async function runs(count: number, code: (i: number) => string): Promise<Awaited<ReturnType<typeof run>>[]> {
  const results: Awaited<ReturnType<typeof run>>[] = [];
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const i = next++;
      results[i] = await run(code(i));
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  return results;
}

describe('worker threads', () => {
  it('four at once beside the main thread, each training a little, all with their own tensors', async () => {
    const workers = Array.from({ length: 4 }, () =>
      work(`${training(50)} parentPort.postMessage({ last, memory: memory() });`),
    );
    const here = torch.ones([3]).sum().item();
    const results = (await Promise.all(workers.map(({ message }) => message))) as {
      last: number;
      memory: { tensors: number };
    }[];
    expect(here).toBe(3);
    for (const result of results) {
      expect(result).not.toHaveProperty('error');
      expect(result.last).toBeLessThan(3);
      expect(result.memory.tensors).toBeLessThan(10);
    }
    await Promise.all(workers.map(({ worker }) => worker.terminate()));
  });

  it('can be ended with jobs in flight, and the compute thread goes on for the others', async () => {
    for (let i = 0; i < 5; i++) {
      const { worker, message } = work(`
        const big = torch.ones([512, 1024]).t();
        for (let i = 0; i < 50; i++) big.toArray().catch(() => {});
        parentPort.postMessage('sent');
        await new Promise(() => setInterval(() => {}, 1000));`);
      expect(await message).toBe('sent');
      await worker.terminate();
    }
    expect(await torch.ones([2]).toArray()).toEqual(Float32Array.of(1, 1));
  });

  it('a tensor of one thread means nothing in another', async () => {
    const mine = torch.ones([1]);
    const { message } = work(`
      try { new torch.Tensor(${mine.handle} + 2 ** 30).item(); parentPort.postMessage('reached it'); } catch (error) { parentPort.postMessage(error.code); }`);
    expect(await message).toBe('ERR_TENSOR_DISPOSED');
  });
});

describe('promises', () => {
  it('come in order and keep their tensors alive', async () => {
    const order: number[] = [];
    const pending = Array.from({ length: 20 }, (_, i) => {
      const tensor = torch.full([1000], i);
      const promise = tensor.toArray().then((array) => {
        order.push(i);
        return array;
      });
      tensor.dispose(); // the job holds it
      return promise;
    });
    const arrays = await Promise.all(pending);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(Number(arrays[7]![999])).toBe(7);
  });

  it('reject with a code', async () => {
    await expect(torch.zeros([2]).toSparse().toArray()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const gone = torch.zeros([1]);
    gone.dispose();
    await expect(gone.toArray()).rejects.toMatchObject({ code: 'ERR_TENSOR_DISPOSED' });
  });
});

describe('processes', () => {
  it('fifty that train a step and end do so with exit code 0', async () => {
    const ends = [
      `${training(1)}`,
      `${training(1)} process.exit(0);`,
      `${training(1)} torch.ones([1000]).toArray();`,
      `${training(1)} await torch.ones([3]).toArray();`,
      `${training(1)} torch.ones([4000, 1000]).t().toArray(); process.exit(0);`,
    ];
    for (const result of await runs(50, (i) => ends[i % ends.length]!))
      expect(result).toEqual({ code: 0, signal: null, output: '' });
  }, 240_000);
});
