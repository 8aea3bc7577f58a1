// Captured steps in the long run: ten thousand of them leave memory where it was and the event loop free; workers, endings and
// cancellations at any moment leave nothing behind.

import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

const entry = new URL('../dist/index.js', import.meta.url).href;

/** Runs a module in a process of its own and gives what it prints as JSON. */
async function run(
  code: string,
): Promise<{ code: number | null; signal: string | null; output: string; errors: string }> {
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', code]);
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output, errors })));
}

/** A network, an optimizer and a captured step; and a generator of its arguments. */
const prelude = `
  import { capture, losses, memory, models, nn, optim, tidy, torch, training, data } from ${JSON.stringify(entry)};
  torch.manualSeed(1);
  const net = new nn.Sequential(new nn.Linear(32, 64), new nn.ReLU(), new nn.Dropout(0.1), new nn.Linear(64, 64), new nn.ReLU(), new losses.IsoMaxHead(64, 10));
  const criterion = new losses.IsoMaxLoss();
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9, nesterov: true });
  const train = (x, y) => {
    const loss = criterion.forward(net.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return { loss };
  };
  const x = torch.randn([64, 32]), y = torch.randint(10, [64]);
  function* batches(count) { for (let i = 0; i < count; i++) yield [x, y]; }
`;

describe('ten thousand steps', () => {
  // Another process on the machine may hold the event loop up: an attempt that nobody disturbed counts.
  it('leave live tensors constant and resident memory flat, while a timer and an HTTP server go on', {
    retry: 2,
    timeout: 240_000,
  }, async () => {
    const result = await run(`
      import { createServer, get } from 'node:http';
      ${prelude}
      const step = capture(train);
      (await step.repeat(batches(50))).loss.dispose();

      let ticks = 0;
      const timer = setInterval(() => ticks++, 5);
      const server = createServer((_, response) => response.end('here'));
      await new Promise((resolve) => server.listen(0, resolve));
      let answers = 0, asking = true;
      const { port } = server.address();
      const ask = () => asking && get({ port, agent: false }, (response) => response.resume().on('end', () => {
        answers++;
        setTimeout(ask, 5);
      })).on('error', (error) => {
        if (asking) throw error; // else the server was closed before it could answer
      });
      ask();
      // As monitorEventLoopDelay at a resolution of 2 ms, but for the pauses that we ask for ourselves.
      let last = performance.now(), paused = false;
      const delays = [];
      const sampler = setInterval(() => {
        const now = performance.now();
        if (!paused) delays.push(now - last);
        [last, paused] = [now, false];
      }, 2);

      const tensors = [], resident = [];
      const start = performance.now();
      for (let i = 0; i < 100; i++) {
        const { loss } = await step.repeat(batches(100));
        loss.dispose();
        tensors.push(memory().tensors);
        if (i % 5 === 0) {
          globalThis.gc(); // what V8 has not collected yet is no leak of ours
          paused = true;
        }
        resident.push(process.memoryUsage().rss);
      }
      const seconds = (performance.now() - start) / 1000;
      clearInterval(sampler);
      delays.sort((a, b) => a - b);
      asking = false;
      clearInterval(timer);
      server.close();
      // Least squares over the last three quarters: bytes a step.
      const later = resident.slice(25).map((bytes, i) => [100 * i, bytes]);
      const mean = (k) => later.reduce((sum, point) => sum + point[k], 0) / later.length;
      const [mx, my] = [mean(0), mean(1)];
      const slope = later.reduce((sum, [a, b]) => sum + (a - mx) * (b - my), 0) / later.reduce((sum, [a]) => sum + (a - mx) ** 2, 0);
      console.log(JSON.stringify({ tensors: [...new Set(tensors)], slope, seconds, ticks, answers, p99: delays[Math.floor(0.99 * delays.length)], recordings: step.recordings }));`);
    expect(result.errors).toBe('');
    const { tensors, slope, seconds, ticks, answers, p99, recordings } = JSON.parse(result.output) as {
      tensors: number[];
      slope: number;
      seconds: number;
      ticks: number;
      answers: number;
      p99: number;
      recordings: number;
    };
    console.log(
      `10,000 captured steps in ${seconds.toFixed(1)} s: resident memory ${slope >= 0 ? '+' : ''}${slope.toFixed(0)} bytes a step, ` +
        `event loop ${p99.toFixed(1)} ms at the 99th percentile, ${answers} HTTP answers, ${ticks} timer calls`,
    );
    expect(tensors).toHaveLength(1);
    expect(recordings).toBe(2);
    expect(Math.abs(slope)).toBeLessThan(300); // one leaked loss a step would be more, with its handle
    expect(p99).toBeLessThan(20);
    expect(answers).toBeGreaterThan(seconds * 10);
    expect(ticks).toBeGreaterThan(seconds * 20);
  });

  it('the trainer too leaves the event loop free: under 20 ms at the 99th percentile', {
    retry: 2,
    timeout: 240_000,
  }, async () => {
    const result = await run(`
      import { monitorEventLoopDelay } from 'node:perf_hooks';
      ${prelude}
      const like = { shape: [1, 28, 28] };
      const set = new data.ImageDataset({ images: torch.randint(256, [12800, 1, 28, 28], { dtype: 'uint8' }), labels: torch.randint(10, [12800]) });
      const { head, criterion: make } = losses.byName('isomax');
      const model = models.convNet({ head }).to({ memoryFormat: 'channels_last' });
      const delay = monitorEventLoopDelay({ resolution: 2 });
      delay.enable();
      let reports = 0;
      await training.fit({ model, criterion: make(), train: set, validation: set.take(512), epochs: 2, augment: [data.randomCrop(28, 2)], progressInterval: 100, onProgress: () => reports++ });
      delay.disable();
      console.log(JSON.stringify({ p99: delay.percentile(99) / 1e6, most: delay.max / 1e6, reports }));`);
    expect(result.errors).toBe('');
    const { p99, most, reports } = JSON.parse(result.output) as { p99: number; most: number; reports: number };
    console.log(
      `training: event loop ${p99.toFixed(1)} ms at the 99th percentile, ${most.toFixed(0)} ms at most (while recording)`,
    );
    expect(p99).toBeLessThan(20);
    expect(reports).toBeGreaterThan(3);
  });
});

describe('several at once', () => {
  it('two workers, each with two captures and eager work in turn, get the answers that they get alone', async () => {
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(${JSON.stringify(entry)}).then(async ({ capture, nn, optim, tidy, torch }) => {
        const generator = new torch.Generator().manualSeed(workerData);
        const make = () => torch.randn([24, 16], { generator });
        const layer = new nn.Linear(16, 4);
        torch.noGrad(() => { for (const p of layer.parameters()) p.copy_(torch.randn(p.shape, { generator })); });
        const optimizer = new optim.SGD(layer.parameters(), { lr: 0.05, momentum: 0.9 });
        const train = capture((x) => {
          const loss = layer.forward(x).square().mean();
          optimizer.zeroGrad();
          loss.backward();
          optimizer.step();
          return loss;
        });
        const total = torch.zeros([4]);
        const count = capture((x) => torch.noGrad(() => void total.add_(layer.forward(x).sum(0))));
        const seen = [];
        for (let i = 0; i < 300; i++) {
          const x = make();
          const first = train(x), second = count(x);
          if (i % 3 === 0) tidy(() => torch.noGrad(() => layer.weight.mul_(0.999)));
          const [loss] = await Promise.all([first, second]);
          seen.push(loss.item());
          loss.dispose();
          x.dispose();
        }
        parentPort.postMessage({ seen, total: total.tolist(), weight: layer.weight.tolist() });
      }).catch((error) => parentPort.postMessage({ error: String(error?.stack ?? error) }));`;
    const work = (seed: number) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(code, { eval: true, workerData: seed });
        worker.once('message', (message) => void worker.terminate().then(() => resolve(message))).once('error', reject);
      });
    const together = await Promise.all([work(1), work(2)]);
    const alone = [await work(1), await work(2)];
    expect(together[0]).not.toHaveProperty('error');
    expect(together).toEqual(alone);
  }, 120_000);

  it('workers that are ended in the middle of a repetition leave the compute thread to the others', async () => {
    const code = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(entry)}).then(async ({ capture, torch }) => {
        const x = torch.randn([64, 64]);
        const step = capture((y) => x.matmul(y).sum());
        function* for_ever() { for (;;) yield [x]; }
        setTimeout(() => parentPort.postMessage('running'), 20);
        await step.repeat(for_ever());
      });`;
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(code, { eval: true });
      await new Promise((resolve) => worker.once('message', resolve));
      const start = performance.now();
      await worker.terminate();
      expect(performance.now() - start).toBeLessThan(5000);
    }
    const { capture, torch } = (await import(entry)) as typeof import('../lib/index.js');
    const step = capture((x: import('../lib/index.js').Tensor) => x.add(1));
    for (let i = 0; i < 3; i++) expect((await step(torch.ones([1]))).item()).toBe(2);
  }, 120_000);

  it('processes that end while steps run do so with exit code 0', async () => {
    const ends = [
      'step.repeat(batches(5000)); process.exit(0);',
      'step.repeat(batches(5000)); setTimeout(() => process.exit(0), 30);',
      'step(x, y); step(x, y); step(x, y);', // ends by itself
      'await step.repeat(batches(20)); const controller = new AbortController(); step.repeat(batches(1e6), { signal: controller.signal }).catch(() => {}); setTimeout(() => controller.abort(), 30);',
      'const set = new data.ImageDataset({ images: torch.zeros([1000, 1, 8, 8], { dtype: "uint8" }), labels: torch.zeros([1000], { dtype: "int64" }) }); const stream = set.batches(10).stream(); await stream.next(); process.exit(0);',
    ];
    for (let i = 0; i < 15; i++) {
      const result = await run(`${prelude} const step = capture(train); ${ends[i % ends.length]}`);
      expect(result).toEqual({ code: 0, signal: null, output: '', errors: '' });
    }
  }, 240_000);

  it('two hundred cancellations at random moments leave a model that goes on as one that was never cancelled', async () => {
    const result = await run(`
      ${prelude}
      const step = capture(train);
      await step.repeat(batches(3));
      const before = memory().tensors;
      let done = 3, seed = 7;
      for (let i = 0; i < 200; i++) {
        const controller = new AbortController();
        seed = (seed * 1103515245 + 12345) % 2147483648;
        setTimeout(() => controller.abort(), (seed % 100) / 25);
        try {
          await step.repeat(batches(1e6), { signal: controller.signal });
        } catch (error) {
          done += error.steps;
        }
      }
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
      const after = memory().tensors;
      const cancelled = net.parameters().map((p) => p.detach().sum().item());
      console.log(JSON.stringify({ done, leaked: after - before, finite: cancelled.every(Number.isFinite), last: (await step(x, y)).loss.item() }));`);
    expect(result.errors).toBe('');
    const { done, leaked, finite, last } = JSON.parse(result.output) as {
      done: number;
      leaked: number;
      finite: boolean;
      last: number;
    };
    // The same number of steps without a cancellation, dropout's numbers included.
    const alone = await run(`${prelude}
      const step = capture(train);
      const { loss } = await step.repeat(batches(${done + 1}));
      console.log(loss.tolist().at(-1));`);
    expect(leaked).toBeLessThanOrEqual(0);
    expect(finite).toBe(true);
    expect(done).toBeGreaterThan(200);
    expect(Number(alone.output)).toBe(last);
  }, 240_000);
});
