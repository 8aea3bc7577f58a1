// Captured steps: what they record, that replays are eager's to the bit, and what they refuse, in words.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { autocast, capture, losses, memory, nn, optim, type Tensor, tidy, torch } from '../lib/rooms.js';

/** Lets finalizers run: they are queued as macrotasks. */
async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const bytes = (tensor: Tensor) => {
  const array = tensor.toArraySync();
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
};

/** Everything that training changes, as bytes. */
const stateOf = (model: nn.Module, optimizer: optim.SGD) =>
  tidy(() => [
    ...[...model.stateDict()].map(([key, tensor]) => `${key} ${bytes(tensor)}`),
    ...[...optimizer.stateDict().state].map(
      ([key, { momentum_buffer }]) => `${key} ${bytes(momentum_buffer as Tensor)}`,
    ),
  ]);

class Net extends nn.Module {
  body: nn.Sequential;
  classifier: nn.Module;

  constructor(head: nn.Module) {
    super();
    this.body = new nn.Sequential(
      new nn.Conv2d(1, 4, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(4),
      new nn.ReLU({ inplace: true }),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Dropout(0.3),
    );
    this.classifier = head;
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.body.forward(x));
  }
}

const STEPS = 200;

/** Trains twice from the same seed, eagerly and captured, and gives what came out of both. */
async function both(options: {
  loss?: losses.LossName;
  optimizer?: optim.SGDOptions;
  forward?: (fn: () => Tensor) => Tensor;
  /** Called before a step. */
  between?: (i: number, model: nn.Module, optimizer: optim.SGD) => void;
}) {
  const { loss: name = 'isomax', between, forward = (fn) => fn() } = options;
  const results: { losses: number[]; state: string[] }[] = [];
  for (const captured of [false, true]) {
    torch.manualSeed(7);
    const family = losses.byName(name);
    const model = new Net(family.head(4 * 16, 5));
    const criterion = family.criterion();
    const optimizer = new optim.SGD(model.parameters(), {
      lr: 0.05,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 1e-4,
      ...options.optimizer,
    });
    const images = torch.randn([40, 1, 8, 8]);
    const labels = torch.randint(5, [40]);
    const train = (x: Tensor, y: Tensor) => {
      const loss = forward(() => criterion.forward(model.forward(x), y));
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    };
    const step = capture(train);
    const seen: number[] = [];
    for (let i = 0; i < STEPS; i++) {
      between?.(i, model, optimizer);
      const start = 8 * (i % 5);
      const [x, y] = [images.narrow(0, start, 8), labels.narrow(0, start, 8)];
      if (captured) {
        const { loss } = await step(x, y);
        seen.push(loss.item());
        loss.dispose();
      } else {
        tidy(() => seen.push(train(x, y).loss.item()));
      }
      x.dispose();
      y.dispose();
    }
    if (captured) expect(step.recordings).toBeLessThan(6);
    results.push({ losses: seen, state: stateOf(model, optimizer) });
  }
  return { eager: results[0]!, captured: results[1]! };
}

describe(`${STEPS} captured steps equal ${STEPS} eager ones to the bit: losses, weights, buffers, momentum`, () => {
  it('SGD with Nesterov, dropout under a seed, batch norm in training', async () => {
    const { eager, captured } = await both({});
    expect(captured).toEqual(eager);
    expect(eager.losses.at(-1)).toBeLessThan(eager.losses[0]!);
  });

  it('plain SGD, SoftMax', async () => {
    const { eager, captured } = await both({ loss: 'softmax', optimizer: { momentum: 0, nesterov: false } });
    expect(captured).toEqual(eager);
  });

  it('dampening, whose first step differs', async () => {
    const { eager, captured } = await both({ loss: 'isomaxplus', optimizer: { nesterov: false, dampening: 0.5 } });
    expect(captured).toEqual(eager);
  });

  it('autocast in bfloat16', async () => {
    const { eager, captured } = await both({ forward: (fn) => autocast('cpu', 'bfloat16', fn) });
    expect(captured).toEqual(eager);
  });

  it('a schedule that changes the rate, without a new record', async () => {
    const { eager, captured } = await both({
      between: (i, _, optimizer) => {
        optimizer.paramGroups[0]!.lr = 0.05 / (1 + i);
      },
    });
    expect(captured).toEqual(eager);
  });

  it('after loadStateDict into the captured model and optimizer', async () => {
    let saved: { model: Map<string, Tensor>; optimizer: optim.OptimizerState } | undefined;
    const { eager, captured } = await both({
      between: (i, model, optimizer) => {
        if (i === 20)
          saved = {
            model: new Map([...model.stateDict()].map(([key, tensor]) => [key, tensor.clone()])),
            optimizer: {
              ...optimizer.stateDict(),
              state: new Map(
                [...optimizer.stateDict().state].map(([key, value]) => [
                  key,
                  { momentum_buffer: (value.momentum_buffer as Tensor).clone() },
                ]),
              ),
            },
          };
        if (i === 100) {
          model.loadStateDict(saved!.model);
          optimizer.loadStateDict(saved!.optimizer);
        }
      },
    });
    expect(captured).toEqual(eager);
  });

  it('training and evaluation in turn, each with a record of its own', async () => {
    const { eager, captured } = await both({ between: (i, model) => void model.train(i % 3 !== 0) });
    expect(captured).toEqual(eager);
  });
});

describe('records', () => {
  it('one for each form of the inputs, the least used given up', async () => {
    const step = capture((x: Tensor) => ({ double: x.mul(2) }), { maxRecords: 2 });
    for (const size of [1, 2, 1, 3, 1, 2]) {
      const { double } = await step(torch.ones([size]));
      expect(double.tolist()).toEqual(new Array(size).fill(2));
    }
    expect(step.recordings).toBe(4); // 1, 2, 3 in place of 2, 2 in place of 3
    expect(step.records.map(({ signature }) => signature)).toEqual(['float32[2];', 'float32[1];']);
    expect((await step(torch.ones([1], { dtype: 'float64' }))).double.dtype).toBe('float64');
    expect((await step(torch.ones([1], { requiresGrad: true }))).double.requiresGrad).toBe(false);
    expect(step.recordings).toBe(6);
    step.reset();
    expect(step.records).toEqual([]);
  });

  it('take and give nested arrays and objects, and nothing', async () => {
    const step = capture((input: { pair: [Tensor, Tensor]; none: null }, extra?: Tensor) => ({
      sum: input.pair[0].add(input.pair[1]),
      list: [input.pair[0].neg(), extra === undefined ? null : extra.neg()],
      nothing: undefined,
    }));
    const [a, b] = [torch.tensor([1, 2]), torch.tensor([10, 20])];
    for (let i = 0; i < 3; i++) {
      const result = await step({ pair: [a, b], none: null });
      expect(result.sum.tolist()).toEqual([11, 22]);
      expect(result.list[0]!.tolist()).toEqual([-1, -2]);
      expect(result.list[1]).toBeNull();
      expect(Object.keys(result)).toEqual(['sum', 'list', 'nothing']);
      expect((await step({ pair: [a, b], none: null }, a)).list[1]!.tolist()).toEqual([-1, -2]);
    }
    expect(step.recordings).toBe(2);
    const silent = capture(() => void a.add_(1));
    await silent();
    await silent();
    expect(a.tolist()).toEqual([3, 4]);
  });

  it('see changes of the values, and record anew when a tensor was moved, frozen or reshaped', async () => {
    const layer = new nn.Linear(3, 2);
    const step = capture((x: Tensor) => layer.forward(x));
    const x = torch.ones([1, 3]);
    const check = async () =>
      expect(bytes(await step(x.to(layer.weight.dtype)))).toBe(bytes(layer.forward(x.to(layer.weight.dtype)).detach()));
    await check();
    torch.noGrad(() => layer.weight.mul_(2));
    await check();
    expect(step.recordings).toBe(1);
    layer.requiresGrad_(false);
    await check();
    expect(step.recordings).toBe(2);
    layer.to('float64');
    await check();
    expect(step.recordings).toBe(3);
  });

  it('random operators draw fresh numbers, the same as eager ones from the same seed', async () => {
    const step = capture(() => torch.randn([4]));
    torch.manualSeed(3);
    const captured = [await step(), await step(), await step()].map((tensor) => tensor.tolist());
    torch.manualSeed(3);
    const eager = [0, 1, 2].map(() => torch.randn([4]).tolist());
    expect(captured).toEqual(eager);
    expect(captured[0]).not.toEqual(captured[1]);
    const generator = new torch.Generator();
    const own = capture(() => torch.randn([2], { generator }));
    generator.manualSeed(1);
    const first = [(await own()).tolist(), (await own()).tolist()];
    generator.manualSeed(1);
    expect([(await own()).tolist(), (await own()).tolist()]).toEqual(first);
  });

  it('constants made inside are the same each time, also when the step writes into them', async () => {
    const step = capture((x: Tensor) => {
      const written = torch.tensor([1, 2, 3]);
      const view = written.narrow(0, 1, 2);
      view.add_(x);
      const read = torch.tensor([0.5, 0.5, 0.5]).mul(2);
      const flag = torch.zeros([1]);
      const before = flag.ne(0);
      flag.add_(x);
      return { written, read: read.add(0), given: torch.tensor([5]), before, after: flag.ne(0) };
    });
    for (let i = 0; i < 4; i++) {
      const x = i % 2 === 0 ? 10 : 0;
      const { written, read, given, before, after } = await step(torch.tensor([x]));
      expect([written.tolist(), read.tolist(), given.tolist()]).toEqual([[1, 2 + x, 3 + x], [1, 1, 1], [5]]);
      expect([before.tolist(), after.tolist()]).toEqual([[false], [x !== 0]]);
      given.add_(1); // its own memory each time
    }
    expect(step.recordings).toBe(1);
    expect(step.inspect()).not.toContain('aten::mul '); // computed once
  });

  it('gradients: grad(), backward into leaves, accumulation, gradients set to zeros', async () => {
    const w = torch.tensor([1, 2, 3], { dtype: 'float32', requiresGrad: true });
    const gradient = capture((x: Tensor) => torch.autograd.grad(w.mul(x).sum(), [w])[0]!);
    for (const scale of [1, 2, 3])
      expect((await gradient(torch.full([3], scale))).tolist()).toEqual([scale, scale, scale]);
    expect(gradient.recordings).toBe(1);
    expect(w.grad).toBeNull();
    const accumulate = capture((x: Tensor) => void w.mul(x).sum().backward());
    for (let i = 0; i < 3; i++) await accumulate(torch.ones([3]));
    expect(w.grad!.tolist()).toEqual([3, 3, 3]);
    const optimizer = new optim.SGD([w], { lr: 1 });
    const zeroed = capture((x: Tensor) => {
      optimizer.zeroGrad({ setToNone: false });
      w.mul(x).sum().backward();
    });
    for (let i = 0; i < 3; i++) await zeroed(torch.full([3], i));
    expect(w.grad!.tolist()).toEqual([2, 2, 2]);
  });

  it('follow gradients that come, go or lie otherwise', async () => {
    const w = torch.ones([2], { requiresGrad: true });
    const step = capture(() => (w.grad === null ? torch.zeros([1]) : torch.ones([1])));
    const results: number[] = [];
    for (let i = 0; i < 6; i++) {
      if (i === 2) w.sum().backward();
      if (i === 4) w.grad = null;
      results.push((await step()).item());
    }
    expect(results).toEqual([0, 0, 1, 1, 0, 0]);
    expect(step.recordings).toBe(2);
    // Fused kernels go by memory: a gradient of another layout must not reach them.
    const v = torch.ones([4, 3], { requiresGrad: true });
    const optimizer = new optim.SGD([v], { lr: 1 });
    const update = capture(() => void optimizer.step());
    for (const gradient of [
      torch.ones([4, 3]),
      torch.ones([4, 3]),
      torch.ones([1]).expand([4, 3]),
      torch.ones([4, 3]),
    ]) {
      v.grad = gradient;
      await update();
    }
    expect(v.tolist()).toEqual(Array(4).fill([-3, -3, -3]));
  });

  it('keep modes: noGrad and inference mode inside, the mode of the call outside', async () => {
    const w = torch.ones([2], { requiresGrad: true });
    const step = capture((x: Tensor) => {
      const frozen = torch.noGrad(() => w.mul(x));
      return { frozen: frozen.add(torch.inferenceMode(() => x.add(1))), on: w.mul(x) };
    });
    await step(torch.ones([2]));
    const { frozen } = await step(torch.ones([2]));
    expect(frozen.tolist()).toEqual([3, 3]);
    expect(torch.isGradEnabled()).toBe(true);
    let promise: Promise<unknown> | undefined;
    torch.noGrad(() => {
      promise = step(torch.ones([2]));
    });
    await promise;
    expect(step.recordings).toBe(2);
  });

  it('inspect() shows operators, lifetimes and bytes', async () => {
    const w = torch.randn([16, 4], { requiresGrad: true });
    const step = capture((x: Tensor) => ({ out: x.matmul(w).relu().sum() }), { name: 'looked at' });
    await step(torch.randn([8, 16]));
    await step(torch.randn([8, 16]));
    const text = step.inspect();
    expect(text).toContain('looked at: 1 record, recorded 1 times');
    expect(text).toMatch(/1 {2}aten::matmul +%0 @0 +→ %1 float32 \[8, 4\] +ends %0 +\d/);
    expect(text).toMatch(/aten::relu +%1 +→ %2/);
    expect(text).toContain('results %3');
    expect(step.records[0]).toMatchObject({ instructions: 3, outside: 1, replays: 1 });
    expect(step.records[0]!.peakBytes).toBeGreaterThanOrEqual(8 * 4 * 4);
  });
});

describe('order and memory', () => {
  afterEach(collectGarbage);

  it('steps run in the order of their calls, and eager code that meets them comes after', async () => {
    const total = torch.zeros([1]);
    const big = torch.randn([256, 256]);
    const step = capture((x: Tensor) => {
      let y = big;
      for (let i = 0; i < 4; i++) y = y.matmul(big).mul(1e-3);
      total.mul_(2).add_(x).add_(y.sum().mul(0));
      return total.clone();
    });
    await step(torch.zeros([1]));
    const pending = [1, 2, 3].map((value) => step(torch.tensor([value], { dtype: 'float32' })));
    expect(total.item()).toBe(11); // ((1)·2 + 2)·2 + 3: the reading waits
    expect((await Promise.all(pending)).map((tensor) => tensor.item())).toEqual([1, 4, 11]);
    const last = step(torch.zeros([1]));
    total.zero_(); // the writing waits too
    expect((await last).item()).toBe(22);
    expect(total.item()).toBe(0);
  });

  it('eager code never meets half a training step: gradients, momentum, seeds', async () => {
    torch.manualSeed(0);
    const layer = new nn.Linear(64, 64);
    const optimizer = new optim.SGD(layer.parameters(), { lr: 0.01, momentum: 0.9 });
    const step = capture((x: Tensor) => {
      const loss = layer.forward(x).dropout(0.5, true).square().mean();
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss;
    });
    const x = torch.randn([64, 64]);
    for (let i = 0; i < 50; i++) {
      const pending = step(x);
      if (i % 5 === 0) optimizer.zeroGrad();
      if (i % 5 === 1) layer.weight.grad?.sum().item();
      if (i % 5 === 2) torch.getRngState();
      if (i % 5 === 3) layer.forward(x).sum().backward();
      if (i % 5 === 4) optimizer.step();
      (await pending).dispose();
    }
    expect(Number.isFinite(layer.weight.sum().item())).toBe(true);
  });

  it('leaves no tensor behind', async () => {
    await collectGarbage();
    const before = memory().tensors;
    {
      const w = torch.randn([8, 8], { requiresGrad: true });
      const optimizer = new optim.SGD([w], { lr: 0.1 });
      const step = capture((x: Tensor) => {
        const loss = x.matmul(w).square().mean();
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        return { loss, seen: x.add(1) };
      });
      const x = torch.randn([4, 8]);
      for (let i = 0; i < 20; i++) {
        const { loss, seen } = await step(x);
        loss.dispose();
        seen.dispose();
      }
      expect(memory().tensors).toBe(before + 3); // w, x and the rate
      step.dispose();
      x.dispose();
      w.dispose();
    }
    await collectGarbage();
    expect(memory().tensors).toBeLessThanOrEqual(before + 1);
  });

  it('inputs may be disposed of as soon as the call returns', async () => {
    const step = capture((x: Tensor) => x.add(1));
    await step(torch.zeros([3]));
    const results = [1, 2, 3].map((value) => {
      const x = torch.full([3], value);
      const result = step(x);
      x.dispose();
      return result;
    });
    expect((await Promise.all(results)).map((tensor) => tensor.sum().item())).toEqual([6, 9, 12]);
  });

  it('results of a call inside a tidy scope outlive it', async () => {
    const step = capture((x: Tensor) => x.add(1));
    const results: Promise<Tensor>[] = [];
    tidy(() => {
      for (let i = 0; i < 3; i++) results.push(step(torch.full([1], i)));
    });
    expect((await Promise.all(results)).map((tensor) => tensor.item())).toEqual([1, 2, 3]);
  });
});

describe('repeat', () => {
  const counting = () => {
    const total = torch.zeros([1]);
    const step = capture((x: Tensor) => {
      total.add_(x);
      return { total: total.clone().squeeze(), x: x.mul(2) };
    });
    return { total, step };
  };
  function* numbers(from: number, to: number) {
    for (let i = from; i < to; i++) yield torch.tensor([i], { dtype: 'float32' });
  }

  it('stacks the results of all steps, recorded ones included', async () => {
    const { step } = counting();
    const { total, x } = await step.repeat(numbers(1, 101));
    expect(total.shape).toEqual([100]);
    expect(x.shape).toEqual([100, 1]);
    expect(total.tolist()).toEqual(Array.from({ length: 100 }, (_, i) => ((i + 1) * (i + 2)) / 2));
    expect(step.recordings).toBe(1);
  });

  it('takes lists of arguments, async iterables, and an iterator that stays open after count', async () => {
    const add = capture((a: Tensor, b: Tensor) => a.add(b));
    const pairs = [1, 2, 3].map((i) => [torch.tensor([i]), torch.tensor([10 * i])] as const);
    expect((await add.repeat(pairs as never)).tolist()).toEqual([[11], [22], [33]]);
    const { step, total } = counting();
    async function* later() {
      for (const x of numbers(0, 5)) {
        await null;
        yield x;
      }
    }
    await step.repeat(later());
    expect(total.item()).toBe(10);
    const iterator = numbers(0, 10);
    expect((await step.repeat(iterator, { count: 4 })).total.shape).toEqual([4]);
    expect((await step.repeat(iterator)).total.shape).toEqual([6]);
    await expect(step.repeat(iterator)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    const closed = vi.fn();
    const iterable = {
      *[Symbol.iterator]() {
        try {
          yield* numbers(0, 10);
        } finally {
          closed();
        }
      },
    };
    await step.repeat(iterable, { count: 2 });
    expect(closed).toHaveBeenCalled();
  });

  it('is the same as single calls, to the bit, where forms of input come mixed', async () => {
    const run = async (repeated: boolean) => {
      torch.manualSeed(5);
      const layer = new nn.Linear(6, 3);
      const optimizer = new optim.SGD(layer.parameters(), { lr: 0.1, momentum: 0.9 });
      const step = capture((x: Tensor) => {
        const loss = layer.forward(x).square().mean();
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        return loss;
      });
      const inputs = Array.from({ length: 90 }, (_, i) => torch.randn([i % 4 === 3 ? 5 : 8, 6]));
      const losses = repeated ? ((await step.repeat(inputs)).tolist() as number[]) : [];
      if (!repeated) for (const x of inputs) losses.push((await step(x)).item());
      return { losses, state: stateOf(layer, optimizer) };
    };
    expect(await run(true)).toEqual(await run(false));
  });

  it('refuses results whose shapes differ from step to step', async () => {
    const step = capture((x: Tensor) => x.mul(2));
    await step(torch.ones([2]));
    await step(torch.ones([3]));
    await expect(step.repeat([torch.ones([2]), torch.ones([3])])).rejects.toMatchObject({
      code: 'ERR_CAPTURE',
      message: expect.stringContaining('same shape in each step'),
    });
  });

  it('can be cancelled between steps, says how many were done, and the step is usable afterwards', async () => {
    const { step, total } = counting();
    await step(torch.zeros([1]));
    const before = memory().tensors;
    for (let i = 0; i < 200; i++) {
      const controller = new AbortController();
      const stop = i % 40;
      function* ones() {
        for (let k = 0; ; k++) {
          if (k === stop) setImmediate(() => controller.abort());
          yield [torch.ones([1])] as never;
        }
      }
      total.zero_();
      const error = (await step.repeat(ones(), { signal: controller.signal }).catch((thrown) => thrown)) as {
        code: string;
        steps: number;
      };
      expect(error.code).toBe('ERR_ABORTED');
      expect(total.item()).toBe(error.steps);
    }
    await collectGarbage();
    expect(memory().tensors).toBeLessThanOrEqual(before);
    expect((await step(torch.ones([1]))).total.item()).toBe(total.item());
    await expect(step.repeat([torch.ones([1])], { signal: AbortSignal.abort() })).rejects.toMatchObject({ steps: 0 });
  });

  it('hands on what the iterable or a step throws, and stops', async () => {
    const { step, total } = counting();
    await step(torch.zeros([1]));
    function* failing() {
      yield* numbers(1, 4);
      throw new Error('out of data');
    }
    await expect(step.repeat(failing())).rejects.toThrow('out of data');
    expect(total.item()).toBeLessThanOrEqual(6);
    const index = capture((table: Tensor, i: Tensor) => table.indexSelect(0, i));
    await index(torch.arange(5), torch.tensor([1]));
    const bad = [
      [torch.arange(5), torch.tensor([1])],
      [torch.arange(5), torch.tensor([9])],
    ];
    await expect(index.repeat(bad as never)).rejects.toMatchObject({
      code: 'ERR_INDEX',
      operator: 'aten::index_select',
      message: expect.stringContaining('while calling aten::index_select('),
    });
  });
});

describe('what a step must not do', () => {
  const refused = async (fn: (x: Tensor) => unknown, message: RegExp, code = 'ERR_CAPTURE') => {
    const step = capture(fn as (x: Tensor) => Tensor);
    await expect(step(torch.ones([3]))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(capture.isRecording()).toBe(false);
    expect(torch.ones([1]).item()).toBe(1); // reading works again
  };

  it('read a value', async () => {
    await refused((x) => x.mul(x.sum().item()), /item.* can't be read while a step is recorded/);
    await refused((x) => x.add(Number(String(x.tolist()))), /can't be read/);
    await refused((x) => {
      x.toArray().catch(() => {});
      return x;
    }, /can't be read/);
    await refused((x) => {
      try {
        x.sum().item();
      } catch {}
      return x.neg();
    }, /can't be read/);
    await refused((x) => (torch.equal(x, x) ? x : x.neg()), /can't be read/);
    await refused((x) => {
      x.storage().toBytes();
      return x;
    }, /can't be read/);
  });

  it('await', async () => {
    await refused(async (x) => x.add(1), /async function/);
  });

  it('give what is no tensor, or take a number', async () => {
    await refused(
      (x) => ({ loss: x, count: 3 }),
      /the result\.count but received integer 3: a replay would use 3 for ever/,
    );
    await refused(() => new Map(), /received Map/);
    const step = capture((x: Tensor, scale: Tensor) => x.mul(scale));
    await expect(step(torch.ones([1]), 2 as unknown as Tensor)).rejects.toMatchObject({
      code: 'ERR_CAPTURE',
      message: expect.stringMatching(/argument 2 .*torch\.tensor\(2\)/),
    });
  });

  it('keep a tensor that it made', async () => {
    const kept: Tensor[] = [];
    await refused((x) => {
      kept.push(x.add(1).keep());
      return x.mul(2);
    }, /kept beyond its end.*state\.copy_\(value\)/);
    expect(kept[0]!.tolist()).toEqual([2, 2, 2]);
  });

  it('seed, or look at the random state', async () => {
    await refused((x) => {
      torch.manualSeed(1);
      return x;
    }, /outside of a captured step/);
    await refused((x) => {
      torch.getRngState();
      return x;
    }, /outside of a captured step/);
  });

  it('call another captured step', async () => {
    const inner = capture((x: Tensor) => x.add(1));
    let error: unknown;
    await capture((x: Tensor) => {
      inner(x).catch((thrown) => {
        error = thrown;
      });
      return x.add(0);
    })(torch.ones([1]));
    await new Promise((resolve) => setImmediate(resolve));
    expect(error).toMatchObject({ code: 'ERR_CAPTURE' });
  });

  it('use a tensor that has a past outside', async () => {
    const w = torch.ones([3], { requiresGrad: true });
    const past = w.mul(2);
    await refused((x) => x.mul(past), /whose gradient leads to operators outside/);
    const step = capture((x: Tensor) => x.mul(2));
    await expect(step(past)).rejects.toMatchObject({
      code: 'ERR_CAPTURE',
      message: expect.stringContaining('detach()'),
    });
  });

  it('depend on values for its shapes: that is told when they change', async () => {
    const step = capture((x: Tensor) => x.maskedSelect(x.gt(0)).sum());
    expect((await step(torch.tensor([1, -1, 2]))).item()).toBe(3);
    expect((await step(torch.tensor([5, 1, -2]))).item()).toBe(6);
    await expect(step(torch.tensor([5, 1, 2]))).rejects.toMatchObject({
      code: 'ERR_CAPTURE',
      message: expect.stringMatching(/shape was \[2\] when the step was recorded and is \[3\] now/),
    });
  });

  it('be no function, or ask for no records', () => {
    expect(() => capture(3 as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => capture(() => undefined, { maxRecords: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });

  it('be recorded again and again without a word', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const step = capture((x: Tensor) => x.add(1), { name: 'restless' });
    for (let i = 1; i < 12; i++) await step(torch.ones([i]));
    expect(warned).toHaveBeenCalledOnce();
    expect(warned.mock.calls[0]![0]).toMatch(/restless has been recorded 8 times in a row, because the inputs’ shapes/);
    warned.mockRestore();
  });
});

describe('capture.outside', () => {
  it('makes state that is there once, and reads values of the first call', async () => {
    let state: Tensor | undefined;
    let seen = 0;
    const step = capture((x: Tensor) => {
      state ??= capture.outside(() => torch.zeros([2]).keep());
      seen = capture.outside(() => x.sum().item());
      state.add_(x);
      return state.clone();
    });
    await step(torch.ones([2]));
    expect(seen).toBe(2);
    expect((await step(torch.ones([2]))).tolist()).toEqual([2, 2]);
    expect(state!.tolist()).toEqual([2, 2]);
    expect(step.recordings).toBe(1);
    expect(capture.outside(() => 3)).toBe(3);
  });
});
