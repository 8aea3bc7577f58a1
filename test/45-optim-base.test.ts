// What all optimizers have of their base, gone through optimizer by optimizer: states and whose they are, captured steps, loss
// scaling, layouts, sparse gradients, memory.

import { describe, expect, it } from 'vitest';
import { type OptimizerName, optimizers } from '../lib/known/optimizers.js';
import { capture, checkpoint, memory, nn, optim, Parameter, type Tensor, tidy, torch } from '../lib/rooms.js';

const code = (value: string) => expect.objectContaining({ code: value });
const names = Object.keys(optimizers) as OptimizerName[];
/** Those that step by gradients alone, dense ones. */
const plain = names.filter((name) => name !== 'LBFGS' && name !== 'SparseAdam');
const shapes = [
  [4, 3],
  [3, 5],
];

function made(name: OptimizerName, settings: object = name === 'SGD' ? { momentum: 0.9 } : {}) {
  torch.manualSeed(3);
  const params = shapes.map((shape) => new Parameter(torch.randn(shape)));
  return { params, optimizer: optim.byName(name, params, settings) };
}

function gradients(params: readonly Tensor[], seed: number): Tensor[] {
  torch.manualSeed(seed);
  return params.map((param) => torch.randn(param.shape));
}

function stepped(name: OptimizerName, { params, optimizer }: ReturnType<typeof made>, seed = 1): void {
  if (name === 'LBFGS') {
    const [towards] = gradients([params[0]!], seed) as [Tensor];
    optimizer.step(() => {
      optimizer.zeroGrad();
      const loss = params[0]!.sub(towards).pow(4).sum();
      loss.backward();
      return loss;
    });
    return;
  }
  for (const [i, gradient] of gradients(params, seed).entries())
    params[i]!.grad = name === 'SparseAdam' ? gradient.toSparse(1) : gradient;
  optimizer.step();
}

/** Every value of weights and state, to the bit. */
const bits = ({ params, optimizer }: ReturnType<typeof made>) =>
  tidy(() => {
    const { state, param_groups } = optimizer.stateDict();
    const flat = (value: unknown): unknown =>
      typeof (value as Tensor)?.tolist === 'function'
        ? (value as Tensor).tolist()
        : Array.isArray(value)
          ? value.map(flat)
          : value;
    const states = [...state].map(([key, entry]) => [
      key,
      Object.entries(entry).map(([name, value]) => [name, flat(value)]),
    ]);
    return JSON.stringify([params.map((param) => param.tolist()), states, param_groups]);
  });

describe('a state', () => {
  const states = new Map(
    names.map((name) => {
      const each = made(name);
      stepped(name, each);
      return [name, each.optimizer.stateDict()];
    }),
  );

  it.each(names)('of %s is taken by it alone; others name it and stay as they were', (owner) => {
    for (const name of names) {
      const each = made(name);
      stepped(name, each, 5);
      const before = bits(each);
      const load = () => each.optimizer.loadStateDict(states.get(owner)!);
      if (name === owner) {
        load();
        expect(bits(each)).not.toBe(before);
        continue;
      }
      expect(load, `${owner}'s into ${name}`).toThrow(code('ERR_STATE_DICT'));
      expect(load, `${owner}'s into ${name}`).toThrow(`the state of ${name} but this looks like ${owner}'s`);
      expect(bits(each)).toBe(before);
    }
  });

  it('that PyTorch wrote is told by its file', async () => {
    const net = new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Linear(8, 3));
    const from = (file: string) =>
      checkpoint.loadTorch<Map<string, unknown>>(new URL(`fixtures/optimizers/${file}`, import.meta.url).pathname);
    const [adam, rmsprop] = [await from('adam.bin'), await from('rmsprop.bin')];
    const sgd = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 });
    expect(() => sgd.loadStateDict(adam)).toThrow(/SGD but this looks like Adam's/);
    expect(() => sgd.loadStateDict(rmsprop)).toThrow(/SGD but this looks like RMSprop's/);
    const own = new optim.Adam(net.parameters());
    own.loadStateDict(adam);
    expect(own.stateDict().state.size).toBe(6);
    expect(() => own.loadStateDict(rmsprop)).toThrow(/Adam but this looks like RMSprop's/);
  });

  it('with a tensor missing, of another shape or of no number changes nothing', () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ step: torch.ones([]), exp_avg: torch.ones([4, 3]) }, /a Tensor for exp_avg_sq of parameter 0/],
      [
        { step: torch.ones([]), exp_avg: torch.ones([3, 4]), exp_avg_sq: torch.ones([4, 3]) },
        /exp_avg of shape \[4, 3\]/,
      ],
      [{ step: 'one', exp_avg: torch.ones([4, 3]), exp_avg_sq: torch.ones([4, 3]) }, /a Tensor for step/],
    ];
    for (const [entry, message] of wrong) {
      const each = made('Adam');
      stepped('Adam', each);
      const before = bits(each);
      const live = memory().tensors;
      const load = () => each.optimizer.loadStateDict({ state: { 0: entry }, param_groups: [{ params: [0, 1] }] });
      expect(load).toThrow(message);
      expect(load).toThrow(code('ERR_STATE_DICT'));
      expect(bits(each)).toBe(before);
      expect(memory().tensors).toBe(live);
    }
    const sgd = made('SGD').optimizer;
    for (const group of [{ lr: -1 }, { momentum: 'much' }, { nesterov: 1 }])
      expect(() => sgd.loadStateDict({ state: {}, param_groups: [{ params: [0, 1], ...group }] })).toThrow(
        code('ERR_STATE_DICT'),
      );
  });

  it('may lack settings: they stay, and what is kept follows them', () => {
    const rmsprop = made('RMSprop', { momentum: 0.9 });
    const square = torch.ones([4, 3]);
    const entry = { step: torch.tensor(3, { dtype: 'float32' }), square_avg: square };
    rmsprop.optimizer.loadStateDict({ state: { 0: entry }, param_groups: [{ params: [0, 1], centered: false }] });
    expect(rmsprop.optimizer.paramGroups[0]).toMatchObject({ momentum: 0.9 });
    stepped('RMSprop', rmsprop);
    expect(Object.keys(rmsprop.optimizer.stateDict().state.get(0)!).sort()).toEqual([
      'momentum_buffer',
      'square_avg',
      'step',
    ]);
    // A setting of the file that asks for more state than the file has.
    const adam = made('Adam');
    const averages = { step: torch.ones([]), exp_avg: square, exp_avg_sq: square };
    const load = () =>
      adam.optimizer.loadStateDict({ state: { 0: averages }, param_groups: [{ params: [0, 1], amsgrad: true }] });
    expect(load).toThrow(/a Tensor for max_exp_avg_sq of parameter 0/);
    expect(adam.optimizer.paramGroups[0]).toMatchObject({ amsgrad: false });
  });

  it('holds the names of parameters where they were given', () => {
    const layer = new nn.Linear(2, 2);
    const optimizer = new optim.SGD(layer.namedParameters());
    expect(optimizer.stateDict().param_groups[0]).toMatchObject({ param_names: ['weight', 'bias'], params: [0, 1] });
    const [weight, bias] = layer.parameters() as [Parameter, Parameter];
    expect(() => new optim.SGD([['weight', weight], bias])).toThrow(/all parameters with a name or all without/);
    const groups = [{ params: [weight] }, { params: [['bias', bias] as const] }];
    expect(() => new optim.SGD(groups)).toThrow(/all groups with names/);
  });
});

describe('a captured step', () => {
  it.each(plain)('of %s follows a schedule without a new record, to the bits of eager steps', async (name) => {
    const runs = [];
    for (const isCaptured of [false, true]) {
      const each = made(name);
      const schedule = new optim.lrScheduler.ExponentialLR(each.optimizer, { gamma: 0.8 });
      const body = (a: Tensor, b: Tensor) => {
        each.optimizer.zeroGrad();
        const [first, second] = each.params as [Tensor, Tensor];
        first.mul(a).sum().add(second.mul(b).pow(2).sum()).backward();
        each.optimizer.step();
      };
      const step = capture(body);
      for (let i = 0; i < 6; i++) {
        const [a, b] = gradients(each.params, i) as [Tensor, Tensor];
        await (isCaptured ? step(a, b) : body(a, b));
        schedule.step();
      }
      // The first step makes the state; the second is the record of all others.
      if (isCaptured) expect(step.recordings).toBeLessThanOrEqual(2);
      runs.push(bits(each));
    }
    expect(runs[1]).toBe(runs[0]);
  });

  it.each(['SGD', 'AdamW', 'RMSprop', 'NAdam'] as const)(
    'of %s follows a momentum that a schedule cycles, without a new record',
    async (name) => {
      const settings = name === 'SGD' ? { momentum: 0.9, nesterov: true } : {};
      const runs: Record<string, ReturnType<typeof made>> = {};
      for (const kind of ['eager', 'captured', 'by hand']) {
        const each = made(name, settings);
        const { optimizer, params } = each;
        const cycle = new optim.lrScheduler.OneCycleLR(optimizer, { maxLr: 0.01, totalSteps: 8 });
        const body = (a: Tensor, b: Tensor) => {
          optimizer.zeroGrad();
          const [first, second] = params as [Tensor, Tensor];
          first.mul(a).sum().add(second.mul(b).pow(2).sum()).backward();
          optimizer.step();
        };
        const step = capture(body);
        for (let i = 0; i < 8; i++) {
          const [a, b] = gradients(params, i) as [Tensor, Tensor];
          // A group that no schedule cycles has its momentum built in.
          if (kind === 'by hand') delete optimizer.paramGroups[0]!.baseMomentum;
          await (kind === 'captured' ? step(a, b) : body(a, b));
          optimizer.paramGroups[0]!.baseMomentum ??= 0.85;
          cycle.step();
        }
        if (kind === 'captured') expect(step.recordings).toBeLessThanOrEqual(2);
        runs[kind] = each;
      }
      expect(bits(runs.captured!)).toBe(bits(runs.eager!));
      for (const [i, param] of runs.eager!.params.entries())
        expect(param.sub(runs['by hand']!.params[i]!).abs().max().item()).toBeLessThan(1e-6);
    },
  );

  it.each(['SGD', 'AdamW', 'Adafactor', 'RAdam'] as const)('of %s goes on when the model is moved', async (name) => {
    const ends = [];
    for (const isCaptured of [false, true]) {
      torch.manualSeed(3);
      const model = new nn.Sequential(new nn.Conv2d(2, 3, 3), new nn.Flatten(), new nn.Linear(12, 2));
      const optimizer = optim.byName(name, model.parameters(), name === 'SGD' ? { momentum: 0.9 } : {});
      const body = (x: Tensor) => {
        optimizer.zeroGrad();
        model.forward(x).pow(2).sum().backward();
        optimizer.step();
      };
      const step = capture(body);
      const x = torch.randn([5, 2, 4, 4]);
      for (let i = 0; i < 10; i++) {
        if (i === 4) model.to({ dtype: 'float64', memoryFormat: 'channels_last' });
        const input = x.to(i < 4 ? 'float32' : 'float64');
        await (isCaptured ? step(input) : body(input));
      }
      ends.push(model.parameters().map((param) => param.tolist()));
    }
    expect(ends[1]).toEqual(ends[0]);
  });

  it('records again when another setting changes', async () => {
    const each = made('Adam');
    const step = capture((a: Tensor) => {
      each.params[0]!.grad = null;
      each.params[0]!.mul(a).sum().backward();
      each.optimizer.step();
    });
    for (let i = 0; i < 4; i++) await step(torch.ones([4, 3]));
    const before = step.recordings;
    each.optimizer.paramGroups[0]!.betas = [0.5, 0.9];
    await step(torch.ones([4, 3]));
    expect(step.recordings).toBe(before + 1);
  });

  it('cannot hold LBFGS or SparseAdam, and says why', async () => {
    for (const [name, why] of [
      ['LBFGS', /decides by the loss/],
      ['SparseAdam', /another number of indices/],
    ] as const) {
      const each = made(name);
      for (const [i, gradient] of gradients(each.params, 1).entries()) each.params[i]!.grad = gradient.toSparse(1);
      const step = () => void (name === 'LBFGS' ? each.optimizer.step(() => 1) : each.optimizer.step());
      await expect(capture(step)()).rejects.toThrow(code('ERR_CAPTURE'));
      await expect(capture(step)()).rejects.toThrow(why);
      stepped(name, each);
    }
  });
});

describe('loss scaling', () => {
  it.each(plain)('%s leaves a step out where a gradient was infinite, and divides gradients by the scale', (name) => {
    const [usual, scaled] = [made(name), made(name)];
    for (let i = 0; i < 3; i++) {
      for (const [j, gradient] of gradients(usual.params, i).entries()) {
        usual.params[j]!.grad = gradient;
        scaled.params[j]!.grad = gradient.mul(1024);
      }
      usual.optimizer.step();
      scaled.optimizer.step({ foundInf: torch.zeros([]), gradScale: torch.tensor(1024, { dtype: 'float32' }) });
    }
    expect(bits(scaled)).toBe(bits(usual));
    for (const [j, gradient] of gradients(usual.params, 9).entries()) scaled.params[j]!.grad = gradient.div(0);
    scaled.optimizer.step({ foundInf: torch.ones([]), gradScale: torch.tensor(1024, { dtype: 'float32' }) });
    expect(bits(scaled)).toBe(bits(usual));
  });
});

describe('gradients and parameters', () => {
  it.each(plain)('%s moves parameters with gaps and transposed ones as it moves others', (name) => {
    const memoryOf = torch.full([4, 6], 7, { dtype: 'float32' });
    torch.manualSeed(3);
    const values = [torch.randn([4, 3]), torch.randn([3, 5])] as const;
    const odd = [new Parameter(memoryOf.slice(1, 0, 3)), new Parameter(torch.zeros([5, 3]).t())] as const;
    torch.noGrad(() => odd.map((param, i) => param.copy_(values[i]!)));
    const each = { params: [...odd], optimizer: optim.byName(name, odd, name === 'SGD' ? { momentum: 0.9 } : {}) };
    const usual = made(name);
    for (let i = 0; i < 3; i++) {
      stepped(name, usual, i);
      for (const [j, gradient] of gradients(odd, i).entries()) odd[j]!.grad = gradient.t().contiguous().t();
      each.optimizer.step();
    }
    for (const [i, param] of odd.entries()) expect(param.sub(usual.params[i]!).abs().max().item()).toBeLessThan(2e-6);
    expect(memoryOf.slice(1, 3).tolist()).toEqual(torch.full([4, 3], 7).tolist());
  });

  it.each(plain)('%s goes on when the model is moved to another dtype', (name) => {
    const [still, moved] = [made(name), made(name)];
    for (const each of [still, moved]) stepped(name, each, 1);
    for (const param of moved.params) param.replace_(new Parameter(param.detach().to('float64')));
    for (let i = 2; i < 4; i++) {
      stepped(name, still, i);
      for (const [j, gradient] of gradients(moved.params, i).entries()) moved.params[j]!.grad = gradient.to('float64');
      moved.optimizer.step();
    }
    for (const [i, param] of still.params.entries())
      expect(param.sub(moved.params[i]!).abs().max().item()).toBeLessThan(name === 'Muon' ? 1e-4 : 1e-5);
  });

  it.each(names)('%s takes sparse gradients as dense ones, or refuses them', (name) => {
    if (name === 'LBFGS') return;
    const dense = made(name);
    const sparse = made(name);
    const step = (each: typeof dense, isSparse: boolean) => {
      for (const [i, gradient] of gradients(each.params, 4).entries())
        each.params[i]!.grad = isSparse ? gradient.toSparse(1) : gradient;
      each.optimizer.step();
    };
    if (name === 'SparseAdam') {
      expect(() => step(dense, false)).toThrow(/expected sparse gradients/);
      step(sparse, true);
    } else if (name === 'SGD' || name === 'Adagrad') {
      for (let i = 0; i < 3; i++) {
        step(dense, false);
        step(sparse, true);
      }
      for (const [i, param] of dense.params.entries())
        expect(param.sub(sparse.params[i]!).abs().max().item()).toBeLessThan(1e-6);
    } else {
      expect(() => step(sparse, true)).toThrow(/gradients that are not sparse/);
      expect(() => step(sparse, true)).toThrow(code('ERR_ARGUMENT'));
    }
  });

  it('may be without memory: the gradient of a sign is zero everywhere', () => {
    for (const name of plain) {
      const each = made(name);
      const before = bits(each).length;
      each.params[0]!.sgn().sum().backward();
      each.optimizer.step();
      expect(each.params[0]!.isfinite().all().item(), name).toBe(true);
      expect(before).toBeGreaterThan(0);
    }
    const x = new Parameter(torch.tensor([1.5, -2]));
    x.sgn().sum().backward();
    new optim.SGD([x], { lr: 1, momentum: 0.9, weightDecay: 0.5 }).step();
    expect(x.tolist()).toEqual([0.75, -1]);
  });

  it.each(names)('%s leaves no tensor behind but its state', (name) => {
    const each = made(name, name === 'LBFGS' ? { historySize: 3, lineSearchFn: 'strong_wolfe' } : {});
    const steps = () => tidy(() => [1, 2, 3, 4].map((seed) => stepped(name, each, seed)));
    steps();
    steps();
    each.optimizer.zeroGrad();
    const before = memory().tensors;
    steps();
    each.optimizer.zeroGrad();
    expect(memory().tensors).toBe(before);
    tidy(() => each.optimizer.loadStateDict(each.optimizer.stateDict()));
    expect(memory().tensors).toBe(before);
  });
});

describe('a step', () => {
  it('takes a closure and gives back its loss', () => {
    const { params, optimizer } = made('AdamW');
    const loss = optimizer.step(() => {
      optimizer.zeroGrad();
      const value = params[0]!.pow(2).sum();
      value.backward();
      return value;
    });
    expect(loss.item()).toBeGreaterThan(0);
    expect([...optimizer.stateDict().state.keys()]).toEqual([0]);
  });

  it('of an optimizer of one’s own is its row, its state and its rule', async () => {
    interface Settings {
      lr: number;
      beta: number;
    }
    const check = (value: unknown) => value as number;
    const row: optim.OptimizerRow<Settings> = {
      name: 'SignMomentum',
      title: 'the sign of the momentum',
      settings: { lr: { usual: 0.1, check }, beta: { usual: 0.5, check } },
      state: ['momentum'],
    };
    class SignMomentum extends optim.Optimizer<Settings> {
      protected override readonly kept: Record<string, optim.Kept<Settings>> = {
        momentum: { make: (param) => torch.zerosLike(param.detach()), follows: 'layout' },
      };
      constructor(params: optim.Params<Settings>, options: Partial<Settings> = {}) {
        super(row, params, options);
      }
      protected override update(
        { params, gradients: g, state, device }: optim.Batch,
        group: optim.ParamGroup & Settings,
      ) {
        torch._foreachLerp_(state.momentum!, g, 1 - group.beta);
        torch._foreachSub_(params, torch._foreachMul(torch._foreachSign(state.momentum!), group.lrOn(device)));
      }
    }
    const param = new Parameter(torch.tensor([1, -1], { dtype: 'float32' }));
    const optimizer = new SignMomentum([param]);
    const step = capture(() => {
      optimizer.zeroGrad();
      param.pow(2).sum().backward();
      optimizer.step();
    });
    for (let i = 0; i < 5; i++) await step();
    expect(param.tolist()).toEqual([expect.closeTo(0.5, 6), expect.closeTo(-0.5, 6)]);
    const other = new SignMomentum([new Parameter(torch.ones([2]))]);
    other.loadStateDict(optimizer.stateDict());
    expect(() => other.loadStateDict(new optim.SGD([param]).stateDict())).toThrow(
      /SignMomentum but this looks like SGD's/,
    );
  });

  it('is of an optimizer by its name, in any case', () => {
    const param = new Parameter(torch.ones([2]));
    expect(optim.byName('adamw', [param], { lr: 0.5 })).toBeInstanceOf(optim.AdamW);
    expect(optim.byName('SGD', [param]).paramGroups[0]!.lr).toBe(1e-3);
    expect(() => optim.byName('adamm', [param])).toThrow(/one of Adadelta.*"adamm"/);
    expect(() => optim.byName('sgd', [param], { momentums: 1 })).toThrow(
      /setting of SGD "momentums": did you mean momentum/,
    );
    const schedule = optim.scheduleByName('steplr', optim.byName('sgd', [param]), { stepSize: 2 });
    expect(schedule).toBeInstanceOf(optim.lrScheduler.StepLR);
    expect(() => optim.scheduleByName('LambdaLR', optim.byName('sgd', [param]))).toThrow(code('ERR_ARGUMENT'));
  });
});

describe('optimizers refuse', () => {
  const param = () => [new Parameter(torch.ones([2, 2]))];
  const wrong: Record<string, [() => unknown, RegExp]> = {
    'betas out of range': [() => new optim.Adam(param(), { betas: [1, 0.9] }), /below 1 for betas\[0\]/],
    'one beta': [() => new optim.AdamW(param(), { betas: [0.9] as never }), /2 values for betas/],
    'gradients through the step': [() => new optim.Adam(param(), { differentiable: true }), /false.*differentiable/],
    'etas in the wrong order': [() => new optim.Rprop(param(), { etas: [1.2, 0.5] }), /below 1 for etas\[0\]/],
    'a growing weight of squares': [() => new optim.Adafactor(param(), { beta2Decay: 0.5 }), /beta2Decay/],
    'vectors for Muon': [() => new optim.Muon([new Parameter(torch.ones([2]))]), /two dimensions/],
    'an unknown adjustment': [
      () => new optim.Muon(param(), { adjustLrFn: 'any' as never }),
      /original, match_rms_adamw/,
    ],
    'a rate of 0 for SparseAdam': [() => new optim.SparseAdam(param(), { lr: 0 }), /above 0 for lr/],
    'groups for LBFGS': [() => new optim.LBFGS([{ params: param() }, { params: param() }]), /one group/],
    'LBFGS without a closure': [() => new optim.LBFGS(param()).step(), /closure/],
    'complex numbers for Adafactor': [
      () => new optim.Adafactor([new Parameter(torch.ones([2], { dtype: 'complex64' }))]),
      /a real dtype/,
    ],
  };
  it.each(Object.entries(wrong))('%s', (_, [fn, message]) => {
    expect(fn).toThrow(message);
    expect(fn).toThrow(code('ERR_ARGUMENT'));
  });
});
