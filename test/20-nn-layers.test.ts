// Each layer beside Python's: the same first weights from the same seed, output, gradients, buffers, state-dict keys and
// print; bit for bit, since both call the same kernels. And what layers refuse.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

interface Case {
  python: string;
  make: () => nn.Module;
  shape: number[];
  eval?: boolean;
}

const images = [4, 3, 9, 7];
const cases: Record<string, Case> = {
  linear: { python: 'nn.Linear(3, 4)', make: () => new nn.Linear(3, 4), shape: [5, 3] },
  linearNoBias: {
    python: 'nn.Linear(3, 4, bias=False)',
    make: () => new nn.Linear(3, 4, { bias: false }),
    shape: [2, 5, 3],
  },
  linearDouble: {
    python: 'nn.Linear(70, 40, dtype=torch.float64)',
    make: () => new nn.Linear(70, 40, { dtype: 'float64' }),
    shape: [5, 70],
  },
  conv: { python: 'nn.Conv2d(3, 6, 3)', make: () => new nn.Conv2d(3, 6, 3), shape: images },
  convAll: {
    python: 'nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=3, bias=False)',
    make: () =>
      new nn.Conv2d(3, 6, [3, 2], { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 3, bias: false }),
    shape: images,
  },
  convSame: {
    python: "nn.Conv2d(3, 2, 3, padding='same')",
    make: () => new nn.Conv2d(3, 2, 3, { padding: 'same' }),
    shape: images,
  },
  convValid: {
    python: "nn.Conv2d(3, 2, 3, padding='valid')",
    make: () => new nn.Conv2d(3, 2, 3, { padding: 'valid' }),
    shape: images,
  },
  norm: { python: 'nn.BatchNorm2d(3)', make: () => new nn.BatchNorm2d(3), shape: images },
  normEval: { python: 'nn.BatchNorm2d(3)', make: () => new nn.BatchNorm2d(3), shape: images, eval: true },
  normCumulative: {
    python: 'nn.BatchNorm2d(3, momentum=None)',
    make: () => new nn.BatchNorm2d(3, { momentum: null }),
    shape: images,
  },
  normPlain: {
    python: 'nn.BatchNorm2d(3, eps=1e-3, affine=False, track_running_stats=False)',
    make: () => new nn.BatchNorm2d(3, { eps: 1e-3, affine: false, trackRunningStats: false }),
    shape: images,
  },
  normNoShift: {
    python: 'nn.BatchNorm2d(3, bias=False)',
    make: () => new nn.BatchNorm2d(3, { bias: false }),
    shape: images,
  },
  norm1d: { python: 'nn.BatchNorm1d(3)', make: () => new nn.BatchNorm1d(3), shape: [6, 3] },
  norm1dLength: { python: 'nn.BatchNorm1d(3)', make: () => new nn.BatchNorm1d(3), shape: [2, 3, 5] },
  maxPool: { python: 'nn.MaxPool2d(2)', make: () => new nn.MaxPool2d(2), shape: images },
  maxPoolAll: {
    python: 'nn.MaxPool2d((3, 2), stride=2, padding=1, dilation=(1, 2), ceil_mode=True)',
    make: () => new nn.MaxPool2d([3, 2], { stride: 2, padding: 1, dilation: [1, 2], ceilMode: true }),
    shape: images,
  },
  avgPool: { python: 'nn.AvgPool2d(3)', make: () => new nn.AvgPool2d(3), shape: images },
  avgPoolAll: {
    python: 'nn.AvgPool2d(3, stride=(2, 1), padding=1, ceil_mode=True, count_include_pad=False, divisor_override=5)',
    make: () =>
      new nn.AvgPool2d(3, { stride: [2, 1], padding: 1, ceilMode: true, countIncludePad: false, divisorOverride: 5 }),
    shape: images,
  },
  adaptive: { python: 'nn.AdaptiveAvgPool2d(1)', make: () => new nn.AdaptiveAvgPool2d(1), shape: images },
  adaptiveMixed: {
    python: 'nn.AdaptiveAvgPool2d((None, 3))',
    make: () => new nn.AdaptiveAvgPool2d([null, 3]),
    shape: images,
  },
  relu: { python: 'nn.ReLU()', make: () => new nn.ReLU(), shape: [40] },
  reluInplace: {
    python: 'nn.Sequential(nn.Identity(), nn.Linear(4, 4), nn.ReLU(inplace=True))',
    make: () => new nn.Sequential(new nn.Identity(), new nn.Linear(4, 4), new nn.ReLU({ inplace: true })),
    shape: [3, 4],
  },
  leaky: { python: 'nn.LeakyReLU(0.2)', make: () => new nn.LeakyReLU(0.2), shape: [40] },
  gelu: { python: 'nn.GELU()', make: () => new nn.GELU(), shape: [40] },
  geluTanh: { python: "nn.GELU(approximate='tanh')", make: () => new nn.GELU({ approximate: 'tanh' }), shape: [40] },
  sigmoid: { python: 'nn.Sigmoid()', make: () => new nn.Sigmoid(), shape: [40] },
  tanh: { python: 'nn.Tanh()', make: () => new nn.Tanh(), shape: [40] },
  silu: { python: 'nn.SiLU()', make: () => new nn.SiLU(), shape: [40] },
  dropout: { python: 'nn.Dropout(0.3)', make: () => new nn.Dropout(0.3), shape: [10, 10] },
  dropoutEval: { python: 'nn.Dropout(0.3)', make: () => new nn.Dropout(0.3), shape: [10, 10], eval: true },
  flatten: { python: 'nn.Flatten(1, 2)', make: () => new nn.Flatten(1, 2), shape: images },
  nested: {
    python:
      'nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))',
    make: () =>
      new nn.Sequential(
        new nn.Sequential(new nn.Conv2d(3, 4, 3), new nn.BatchNorm2d(4)),
        new nn.AdaptiveAvgPool2d(1),
        new nn.Flatten(),
        new nn.Linear(4, 2),
      ),
    shape: images,
  },
};

/** Seed 0 for the layer, input from seed 1, two passes (statistics move), backward of output·output. */
function ours({ make, shape, eval: evaluate }: Case): Record<string, Tensor> {
  torch.manualSeed(0);
  const module = make();
  if (evaluate) module.eval();
  torch.manualSeed(1);
  const dtype = module.parameters()[0]?.dtype ?? 'float32';
  const x = torch.randn(shape, { dtype, requiresGrad: true });
  module.forward(x);
  const y = module.forward(x);
  y.mul(y).sum().backward();
  const gradients = [...module.namedParameters()].map(([key, { grad }]) => [`grad.${key}`, grad as Tensor] as const);
  return { y, dx: x.grad as Tensor, ...Object.fromEntries(gradients), ...Object.fromEntries(module.stateDict()) };
}

const code = (value: string) => expect.objectContaining({ code: value });

const { describe: withPython } = needs(python, 'a Python that has torch');

withPython('layers equal PyTorch bit for bit', () => {
  const program = `
    from torch import nn
    out = {}
    for name, (source, shape, evaluate) in input['layers'].items():
        torch.manual_seed(0)
        module = eval(source)
        if evaluate: module.eval()
        torch.manual_seed(1)
        dtype = next((p.dtype for p in module.parameters()), torch.float32)
        x = torch.randn(shape, dtype=dtype, requires_grad=True)
        module(x)
        y = module(x)
        (y * y).sum().backward()
        state = module.state_dict()
        values = {'y': y, 'dx': x.grad}
        values.update({'grad.' + key: p.grad for key, p in module.named_parameters()})
        values.update(state)
        metadata = [[key, value['version']] for key, value in state._metadata.items()]
        out[name] = {'values': values, 'keys': list(state), 'metadata': metadata, 'repr': repr(module)}
    x = T(input['normalize']).requires_grad_()
    y = torch.nn.functional.normalize(x)
    (y * torch.arange(30).view(6, 5)).sum().backward()
    modules = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Sequential(nn.Tanh()), nn.ReLU()])
    emit({'layers': out, 'normalize': {'y': y, 'dx': x.grad}, 'list': repr(modules)})`;
  torch.manualSeed(3);
  const rows = torch.cat([torch.randn([4, 5]), torch.zeros([1, 5]), torch.randn([1, 5]).mul(1e-13)], 0);
  const layers = Object.fromEntries(
    Object.entries(cases).map(([name, item]) => [name, [item.python, item.shape, item.eval ?? false]]),
  );
  interface Reference {
    layers: Record<
      string,
      { values: Record<string, TensorJson>; keys: string[]; metadata: [string, number][]; repr: string }
    >;
    normalize: { y: TensorJson; dx: TensorJson };
    list: string;
  }
  const reference = (python ? runPython(program, { layers, normalize: encode(rows) }) : {}) as Reference;

  for (const [name, item] of Object.entries(cases)) {
    it(`${name}: ${item.python}`, () => {
      const theirs = reference.layers[name]!;
      const values = ours(item);
      expect(Object.keys(values).sort()).toEqual(Object.keys(theirs.values).sort());
      for (const [key, value] of Object.entries(theirs.values))
        expect([key, encode(values[key]!)]).toEqual([key, value]);
      torch.manualSeed(0);
      const module = item.make();
      expect([...module.stateDict().keys()]).toEqual(theirs.keys);
      expect([...module.stateDict()._metadata!].map(([path, { version }]) => [path, version])).toEqual(theirs.metadata);
      expect(module.toString()).toBe(theirs.repr);
    });
  }

  it('a ModuleList prints as PyTorch prints it, equal modules as one', () => {
    const list = new nn.ModuleList([new nn.ReLU(), new nn.ReLU(), new nn.Sequential(new nn.Tanh()), new nn.ReLU()]);
    expect(list.toString()).toBe(reference.list);
  });

  it('functional.normalize equals torch.nn.functional.normalize, zero rows and gradients too', () => {
    const x = rows.requiresGrad_(true);
    const y = nn.functional.normalize(x);
    y.mul(torch.arange(30).view([6, 5]))
      .sum()
      .backward();
    expect(encode(y)).toEqual(reference.normalize.y);
    expect(encode(x.grad!)).toEqual(reference.normalize.dx);
  });
});

describe('layers refuse', () => {
  const wrong: Record<string, [() => unknown, string]> = {
    'sizes of 0': [() => new nn.Linear(0, 3), 'ERR_ARGUMENT'],
    'sizes that are no numbers': [() => new nn.Linear('3' as never, 3), 'ERR_ARGUMENT'],
    'a bias that is no boolean': [() => new nn.Linear(3, 3, { bias: 1 as never }), 'ERR_ARGUMENT'],
    'an unknown dtype': [() => new nn.Linear(3, 3, { dtype: 'float' as never }), 'ERR_OPERATOR'],
    'half channels': [() => new nn.Conv2d(1.5, 3, 3), 'ERR_ARGUMENT'],
    'a kernel of three sizes': [() => new nn.Conv2d(3, 3, [3, 3, 3] as never), 'ERR_ARGUMENT'],
    'a negative padding': [() => new nn.Conv2d(3, 3, 3, { padding: -1 }), 'ERR_ARGUMENT'],
    'groups that do not divide': [() => new nn.Conv2d(3, 4, 3, { groups: 2 }), 'ERR_ARGUMENT'],
    'same with a stride': [() => new nn.Conv2d(3, 4, 3, { padding: 'same', stride: 2 }), 'ERR_ARGUMENT'],
    'an unknown padding mode': [() => new nn.Conv2d(3, 4, 3, { paddingMode: 'mirror' as never }), 'ERR_ARGUMENT'],
    'a momentum above 1': [() => new nn.BatchNorm2d(3, { momentum: 2 }), 'ERR_ARGUMENT'],
    'three dimensions for BatchNorm2d': [() => new nn.BatchNorm2d(3).forward(torch.ones([3, 2, 2])), 'ERR_SHAPE'],
    'one value a channel': [() => new nn.BatchNorm2d(3).forward(torch.ones([1, 3, 1, 1])), 'ERR_SHAPE'],
    'other channels': [() => new nn.BatchNorm2d(3).forward(torch.ones([2, 4, 2, 2])), 'ERR_SHAPE'],
    'a pool of 0': [() => new nn.MaxPool2d(0), 'ERR_ARGUMENT'],
    'a divisor of 0': [() => new nn.AvgPool2d(2, { divisorOverride: 0 }), 'ERR_ARGUMENT'],
    'an output of a half': [() => new nn.AdaptiveAvgPool2d(0.5), 'ERR_ARGUMENT'],
    'an unknown approximation': [() => new nn.GELU({ approximate: 'sigmoid' as never }), 'ERR_ARGUMENT'],
    'a slope that is NaN': [() => new nn.LeakyReLU(Number.NaN), 'ERR_ARGUMENT'],
    'a probability above 1': [() => new nn.Dropout(1.5), 'ERR_ARGUMENT'],
    'dimensions of a half': [() => new nn.Flatten(0.5), 'ERR_ARGUMENT'],
    'inputs that do not fit': [() => new nn.Linear(3, 3).forward(torch.ones([2, 4])), 'ERR_SHAPE'],
  };
  for (const [what, [fn, error]] of Object.entries(wrong)) it(what, () => expect(fn).toThrow(code(error)));

  it('but 1 image in evaluation is fine, and statistics can be reset', () => {
    const norm = new nn.BatchNorm2d(3);
    norm.forward(torch.randn([4, 3, 2, 2]));
    expect(norm.eval().forward(torch.ones([1, 3, 1, 1])).shape).toEqual([1, 3, 1, 1]);
    norm.resetRunningStats();
    expect([norm.runningMean, norm.runningVar, norm.numBatchesTracked].map((buffer) => buffer?.tolist())).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      0,
    ]);
  });
});
