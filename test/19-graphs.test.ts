// Captured steps as device graphs. What the bridge does around a graph is tested on the CPU, with a plugin that plays the
// device's part; the real thing where there is a CUDA device.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { capture, nn, optim, type Tensor, tidy, torch } from '../lib/index.js';
import { native } from '../lib/native.js';
import { needs } from './support/skip.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const plugin = `${root}build/Release/libfakegraphs.so`;
const tree = `${root}build/cmake`;

const bytes = (tensor: Tensor) => Buffer.from(tensor.toArraySync().buffer).toString('base64');

function trainer(device: 'cpu' | 'cuda', seed = 3) {
  torch.manualSeed(seed);
  const model = new nn.Sequential(new nn.Linear(12, 16), new nn.ReLU(), new nn.Dropout(0.2), new nn.Linear(16, 4)).to(
    device,
  );
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true });
  const train = (x: Tensor, y: Tensor) => {
    const loss = torch.crossEntropyLoss(model.forward(x), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return { loss };
  };
  const inputs = Array.from(
    { length: 12 },
    () => [torch.randn([8, 12]).to(device), torch.randint(4, [8]).to(device)] as const,
  );
  return { model, optimizer, train, inputs };
}

async function bothWays(device: 'cpu' | 'cuda') {
  const results: { losses: number[]; weights: string[] }[] = [];
  let status: string | undefined;
  for (const captured of [false, true]) {
    const { model, optimizer, train, inputs } = trainer(device);
    const step = capture(train);
    const losses: number[] = [];
    torch.manualSeed(11);
    for (const [i, [x, y]] of inputs.entries()) {
      optimizer.paramGroups[0]!.lr = 0.1 / (1 + i);
      if (captured) losses.push((await step(x, y)).loss.item());
      else tidy(() => losses.push(train(x, y).loss.item()));
    }
    if (captured) status = step.records[0]!.graph;
    results.push({ losses, weights: model.parameters().map((parameter) => bytes(parameter.detach().to('cpu'))) });
  }
  return { eager: results[0]!, captured: results[1]!, status };
}

const { describe: withTree } = needs(existsSync(`${tree}/CMakeCache.txt`), 'a build of the addon in this checkout');
withTree('what the bridge does around a graph, with a device that is played', () => {
  beforeAll(() => {
    execFileSync('cmake', ['--build', tree, '--target', 'fakegraphs'], { stdio: 'pipe' });
    native.openPlugin(plugin);
  });

  it('a training step warms up, becomes one graph, and gives the same bits', async () => {
    const { eager, captured, status } = await bothWays('cpu');
    expect(status).toBe('one graph');
    expect(captured).toEqual(eager);
  });

  it('tells what it does: records and inspect()', async () => {
    const step = capture((x: Tensor) => x.mul(2).add(1));
    const seen: string[] = [];
    for (let i = 0; i < 6; i++) {
      const result = await step(torch.full([3], i));
      expect(result.tolist()).toEqual([2 * i + 1, 2 * i + 1, 2 * i + 1]);
      seen.push(step.records[0]!.graph);
    }
    expect(seen).toEqual(['warming up', 'warming up', 'warming up', 'warming up', 'one graph', 'one graph']);
    expect(step.inspect()).toContain('; one graph');
  });

  it('results are the caller’s, and tensors from outside are given as themselves', async () => {
    const weight = torch.ones([2]);
    const step = capture((x: Tensor) => ({ sum: x.add(weight), weight }));
    const all: { sum: Tensor; weight: Tensor }[] = [];
    for (let i = 0; i < 8; i++) all.push(await step(torch.full([2], i)));
    expect(all.map(({ sum }) => sum.tolist())).toEqual(all.map((_, i) => [i + 1, i + 1]));
    all[7]!.weight.add_(1);
    expect(weight.tolist()).toEqual([2, 2]);
    expect((await step(torch.zeros([2]))).sum.tolist()).toEqual([2, 2]);
  });

  it('says why a step can’t be one graph, and replays it operator by operator', async () => {
    const why = async (fn: (x: Tensor) => Tensor, x: Tensor = torch.ones([4])) => {
      const step = capture(fn);
      for (let i = 0; i < 5; i++) expect(bytes(await step(x.clone()))).toBe(bytes(fn(x.clone())));
      return step.records[0]!.graph;
    };
    expect(await why((x) => x.maskedSelect(x.gt(0)))).toMatch(/masked_select gives shapes that depend on values/);
    expect(await why((x) => x.add_(1))).toBe('it writes into an input');
    const generator = new torch.Generator();
    const step = capture((x: Tensor) => x.add(torch.rand([4], { generator })));
    for (let i = 0; i < 5; i++) await step(torch.ones([4]));
    expect(step.records[0]!.graph).toBe('it draws from a generator of its own');
  });

  it('adds to gradients as eager code does, also when they are cleared from outside', async () => {
    const totals: number[][] = [];
    for (const captured of [false, true]) {
      const w = torch.ones([3], { requiresGrad: true });
      const fn = (x: Tensor) => void w.mul(x).sum().backward();
      const step = capture(fn);
      const seen: number[] = [];
      for (let i = 0; i < 16; i++) {
        if (i === 9) w.grad = null;
        if (i === 12) w.grad = torch.full([3], 100, { dtype: 'float32' });
        const x = torch.full([3], i);
        if (captured) await step(x);
        else fn(x);
        seen.push(w.grad!.sum().item());
      }
      totals.push(seen);
    }
    expect(totals[1]).toEqual(totals[0]);
  });

  it('where capturing fails, goes on operator by operator and says so', async () => {
    process.env.FAKE_GRAPHS = 'fail';
    try {
      const { eager, captured, status } = await bothWays('cpu');
      expect(status).toBe('plain, since capturing it failed: the fake device refuses');
      expect(captured).toEqual(eager);
    } finally {
      delete process.env.FAKE_GRAPHS;
    }
  });

  it('refuses a library that is no plugin', () => {
    expect(() => native.openPlugin('/nonexistent.so')).toThrow(expect.objectContaining({ code: 'ERR_LIBTORCH' }));
    expect(() => native.openPlugin(`${root}build/Release/libisomax.so`)).toThrow(/another version/);
  });
});

const { describe: withCuda } = needs(torch.cuda.isAvailable(), 'a CUDA device');
withCuda('CUDA graphs', () => {
  it('a training step warms up, becomes one graph, and ends where eager code ends', async () => {
    const { eager, captured, status } = await bothWays('cuda');
    expect(status).toBe('one graph');
    captured.losses.forEach((loss, i) => void expect(loss).toBeCloseTo(eager.losses[i]!, 4));
  });

  it('random operators draw fresh numbers in each launch, as eager ones do', async () => {
    const step = capture(() => torch.randn([4], { device: 'cuda' }));
    torch.manualSeed(5);
    const captured: unknown[] = [];
    for (let i = 0; i < 8; i++) captured.push((await step()).to('cpu').tolist());
    torch.manualSeed(5);
    const eager = Array.from({ length: 8 }, () => torch.randn([4], { device: 'cuda' }).to('cpu').tolist());
    expect(captured).toEqual(eager);
    expect(step.records[0]!.graph).toBe('one graph');
  });

  it('results stay the caller’s while later launches write theirs', async () => {
    const step = capture((x: Tensor) => x.mul(2));
    const results: Tensor[] = [];
    for (let i = 0; i < 10; i++) results.push(await step(torch.full([2], i, { device: 'cuda' })));
    expect(results.map((result) => result.to('cpu').tolist())).toEqual(results.map((_, i) => [2 * i, 2 * i]));
  });

  it('a step with tensors on the CPU is replayed operator by operator', async () => {
    const step = capture((x: Tensor) => x.mul(torch.ones([1]).sum()).to('cpu'));
    for (let i = 0; i < 6; i++) await step(torch.ones([2], { device: 'cuda' }));
    expect(step.records[0]!.graph).toBe('it uses tensors on the CPU');
  });

  it('eager work beside it on this thread does no harm', async () => {
    const step = capture((x: Tensor) => x.matmul(x));
    const x = torch.randn([64, 64], { device: 'cuda' });
    const wanted = x.matmul(x).to('cpu').tolist();
    for (let i = 0; i < 20; i++) {
      const pending = step(x);
      const other = torch.randn([128, 128], { device: 'cuda' });
      other.matmul(other).sum().item();
      expect((await pending).to('cpu').tolist()).toEqual(wanted);
    }
  });
});

describe('without a plugin', () => {
  it('nothing is said of graphs on the CPU', () => {
    // In a process of its own: a plugin is the whole process's.
    const code = `import { capture, torch } from '${new URL('../dist/index.js', import.meta.url).href}';
      const step = capture((x) => x.add(1)); await step(torch.ones([1])); await step(torch.ones([1]));
      console.log(JSON.stringify(step.records[0].graph));`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(output.trim()).toBe('""');
  });
});
