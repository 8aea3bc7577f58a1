// Scripts that never end: a worker in the middle of one can be terminated, and a process end. Two seconds are the aim; the limit
// here lets a busy machine be slow, and still tells what never ends.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadScript } from '../lib/script/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const entry = new URL('../dist/index.js', import.meta.url).href;
/** Two seconds on a quiet machine; here it is told from never. */
const LIMIT = 15_000;
let folder: string;

/** Says that it begins, and does not come back. */
const ways = {
  'a loop of operators': (at: string) => `
    const script = await loadScript('${at}/tensors.pt');
    say(); script.forward(torch.zeros([2]));`,
  'a loop of numbers': (at: string) => `
    const script = await loadScript('${at}/numbers.pt');
    say(); script.forward(torch.zeros([2]));`,
  'a loop in a function of a module inside': (at: string) => `
    const script = await loadScript('${at}/outer.pt');
    say(); script.forward(torch.zeros([2]));`,
  'a captured step': (at: string) => `
    const script = await loadScript('${at}/tensors.pt');
    const step = capture((x) => script.forward(x));
    await step(torch.ones([2]));
    const called = step(torch.zeros([2]));
    say(); await called;`,
  'a captured step that eager code waits for': (at: string) => `
    const script = await loadScript('${at}/tensors.pt');
    const total = torch.zeros([2]);
    const step = capture((x) => total.add_(script.forward(x)));
    await step(torch.ones([2]));
    const called = step(torch.zeros([2]));
    say(); total.tolist(); await called;`,
  'an array and a file behind such a step': (at: string) => `
    const script = await loadScript('${at}/tensors.pt');
    const total = torch.zeros([1 << 20]);
    const step = capture((x) => { const y = script.forward(x); return total.add_(y.sum()); });
    await step(torch.ones([2]));
    void step(torch.zeros([2]));
    const read = total.toArray();
    say(); await checkpoint.saveTorch('${at}/never.pt', { total }); await read;`,
};

needs(python, 'a Python that has torch').describe('an endless script', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'isotorch-endless-'));
    execFileSync(python!, [fileURLToPath(new URL('./fixtures/make_loops.py', import.meta.url)), folder], {
      stdio: 'pipe',
    });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const code = (name: keyof typeof ways, say: string) => `import(${JSON.stringify(entry)}).then(
    async ({ capture, checkpoint, loadScript, torch }) => { const say = () => ${say}; ${ways[name](folder)} });`;

  it.each(Object.keys(ways) as (keyof typeof ways)[])('%s: terminate() comes back, and all goes on', async (name) => {
    const worker = new Worker(code(name, `require('node:worker_threads').parentPort.postMessage(0)`), { eval: true });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const begun = performance.now();
    await worker.terminate();
    expect(performance.now() - begun).toBeLessThan(LIMIT);
    expect(await torch.ones([2]).toArray()).toEqual(Float32Array.of(1, 1));
  });

  it.each(Object.keys(ways) as (keyof typeof ways)[])('%s in a worker: process.exit() ends', async (name) => {
    const inside = code(name, `require('node:worker_threads').parentPort.postMessage(0)`);
    const child = spawn(process.execPath, [
      '-e',
      `const { Worker } = require('node:worker_threads');
       import(${JSON.stringify(entry)}).then(() => {
         const worker = new Worker(${JSON.stringify(inside)}, { eval: true });
         worker.once('message', () => setTimeout(() => { console.log('out'); process.exit(7); }, 100));
       });`,
    ]);
    let output = '';
    child.stderr.on('data', (data) => {
      output += data;
    });
    const begun = new Promise<number>((resolve) => child.stdout.once('data', () => resolve(performance.now())));
    const code7 = await new Promise((resolve) => child.on('close', resolve));
    expect(performance.now() - (await begun)).toBeLessThan(LIMIT);
    expect([code7, output]).toEqual([7, '']);
  });

  it('in the main thread’s captured step: process.exit() ends', async () => {
    const child = spawn(process.execPath, [
      '-e',
      `import(${JSON.stringify(entry)}).then(async ({ capture, loadScript, torch }) => {
         const script = await loadScript('${folder}/tensors.pt');
         const step = capture((x) => script.forward(x));
         await step(torch.ones([2]));
         void step(torch.zeros([2]));
         setTimeout(() => { console.log('out'); process.exit(7); }, 100);
       });`,
    ]);
    const begun = new Promise<number>((resolve) => child.stdout.once('data', () => resolve(performance.now())));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(7);
    expect(performance.now() - (await begun)).toBeLessThan(LIMIT);
  });

  it('and loops that end give what they gave', async () => {
    const script = await loadScript<Tensor, [Tensor, number]>(join(folder, 'pyramid.pt'));
    for (const n of [0, 1, 7, 300]) expect(script.forward(torch.zeros([1]), n).item()).toBe(n * n - n);
  });
});
