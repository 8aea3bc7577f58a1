// Averaged models beside PyTorch's: the same averages over some steps, batch-norm statistics after them, states across.

import { describe, expect, it } from 'vitest';
import { capture, memory, nn, optim, type Tensor, tidy, torch } from '../lib/rooms.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { AveragedModel, getEmaAvgFn, getEmaMultiAvgFn, getSwaAvgFn, updateBn } = optim.swaUtils;
const code = (value: string) => expect.objectContaining({ code: value });
const { it: withPython } = needs(python, 'a Python that has torch');

const network = () => {
  torch.manualSeed(1);
  return new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.ReLU(), new nn.Linear(4, 2));
};
const batches = (count: number) => {
  torch.manualSeed(2);
  return Array.from({ length: count }, () => torch.randn([8, 3]));
};

function trainingStep(model: nn.Sequential, optimizer: optim.Optimizer, averaged?: { updateParameters(): void }) {
  return (x: Tensor) => {
    optimizer.zeroGrad();
    model.forward(x).pow(2).mean().backward();
    optimizer.step();
    averaged?.updateParameters();
  };
}

const kinds: Record<string, optim.swaUtils.AveragedModelOptions> = {
  mean: {},
  'mean, one by one': { avgFn: getSwaAvgFn() },
  ema: { multiAvgFn: getEmaMultiAvgFn(0.8) },
  'ema, one by one': { avgFn: getEmaAvgFn(0.8) },
  'ema with buffers': { multiAvgFn: getEmaMultiAvgFn(0.8), useBuffers: true },
};

withPython("averages, batch-norm statistics and states are PyTorch's", async () => {
  const data = batches(6);
  const theirs: Record<
    string,
    { averaged: Record<string, TensorJson>; after: Record<string, TensorJson>; out: TensorJson }
  > = runPython(
    `
      from torch import nn
      from torch.optim.swa_utils import *
      kinds = {'mean': {}, 'mean, one by one': {'avg_fn': get_swa_avg_fn()}, 'ema': {'multi_avg_fn': get_ema_multi_avg_fn(0.8)},
               'ema, one by one': {'avg_fn': get_ema_avg_fn(0.8)}, 'ema with buffers': {'multi_avg_fn': get_ema_multi_avg_fn(0.8), 'use_buffers': True}}
      data = [T(x) for x in input]
      def run(kind):
          torch.manual_seed(1)
          model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
          optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
          averaged = AveragedModel(model, **kind)
          for x in data:
              optimizer.zero_grad(); model(x).pow(2).mean().backward(); optimizer.step(); averaged.update_parameters(model)
          before = {key: value.clone() for key, value in averaged.state_dict().items()}
          update_bn(data, averaged)
          return {'averaged': before, 'after': averaged.state_dict(), 'out': averaged.eval()(data[0])}
      emit({name: run(kind) for name, kind in kinds.items()})`,
    data.map(encode),
  );
  for (const [name, options] of Object.entries(kinds)) {
    const model = network();
    const averaged = new AveragedModel(model, options);
    const step = trainingStep(model, new optim.SGD(model.parameters(), { lr: 0.1 }), averaged);
    for (const x of data) step(x);
    const compare = (expected: Record<string, TensorJson>) => {
      const ours = averaged.stateDict();
      expect([...ours.keys()]).toEqual(Object.keys(expected));
      for (const [key, tensor] of ours) {
        const difference = tensor.to('float64').sub(decode(expected[key]!).to('float64')).abs().max().item();
        expect(difference, `${name}: ${key}`).toBeLessThan(1e-6);
      }
    };
    compare(theirs[name]!.averaged);
    const own = [...model.stateDict()].map(([, tensor]) => tensor.tolist());
    await updateBn(data, averaged);
    compare(theirs[name]!.after);
    expect([...model.stateDict()].map(([, tensor]) => tensor.tolist())).toEqual(own);
    expect(averaged.eval().forward(data[0]!).sub(decode(theirs[name]!.out)).abs().max().item()).toBeLessThan(1e-6);
    expect(model.training).toBe(true);
  }
});

describe('an averaged model', () => {
  it('is updated within a captured step, to the bits of eager updates', async () => {
    const ends = [];
    for (const isCaptured of [false, true]) {
      const model = network();
      const averaged = new AveragedModel(model, { multiAvgFn: getEmaMultiAvgFn(0.9) });
      const body = trainingStep(model, new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }), averaged);
      const step = capture(body);
      for (const x of batches(7)) await (isCaptured ? step(x) : body(x));
      if (isCaptured) expect(step.recordings).toBe(2);
      ends.push([...averaged.stateDict()].map(([, tensor]) => tensor.tolist()));
      expect(averaged.nAveraged.item()).toBe(7);
    }
    expect(ends[1]).toEqual(ends[0]);
  });

  it('computes with its own weights and leaves those of the model', () => {
    const model = network();
    const averaged = new AveragedModel(model);
    const [x] = batches(1) as [Tensor];
    averaged.updateParameters();
    const before = model.eval().forward(x).tolist();
    torch.noGrad(() => model.parameters().map((param) => param.zero_()));
    expect(averaged.eval().forward(x).tolist()).toEqual(before);
    expect(averaged.during(() => model.forward(x).tolist())).toEqual(before);
    expect(model.forward(x).abs().max().item()).toBe(0);
    expect(() =>
      averaged.during(() => {
        throw new Error('within');
      }),
    ).toThrow('within');
    expect(model.forward(x).abs().max().item()).toBe(0);
  });

  it('goes on from its state', () => {
    const model = network();
    const averaged = new AveragedModel(model);
    const step = trainingStep(model, new optim.SGD(model.parameters(), { lr: 0.1 }), averaged);
    const [first, second, third] = batches(3) as [Tensor, Tensor, Tensor];
    step(first);
    step(second);
    const other = new AveragedModel(model);
    other.loadStateDict(averaged.stateDict());
    step(third);
    other.updateParameters(model);
    for (const [key, tensor] of averaged.stateDict())
      expect(other.stateDict().get(key)!.tolist()).toEqual(tensor.tolist());
  });

  it('leaves no tensor behind', () => {
    const model = network();
    const averaged = new AveragedModel(model, { multiAvgFn: getEmaMultiAvgFn() });
    const run = () =>
      tidy(() => {
        for (const x of batches(3)) {
          averaged.updateParameters(model);
          averaged.eval().forward(x);
        }
      });
    run();
    const before = memory();
    run();
    expect(memory()).toEqual(before);
  });

  it('refuses what can not be averaged', async () => {
    const model = network();
    const averaged = new AveragedModel(model);
    expect(() => averaged.updateParameters(new nn.Linear(1, 1))).toThrow(/a model with 6 tensors/);
    expect(() => new AveragedModel({} as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => new AveragedModel(model, { avgFn: getSwaAvgFn(), multiAvgFn: getEmaMultiAvgFn() })).toThrow(/one of/);
    expect(() => getEmaMultiAvgFn(1.5)).toThrow(/from 0 to 1 for decay/);
    await expect(updateBn([{ picture: 1 }], averaged)).rejects.toThrow(code('ERR_ARGUMENT'));
  });
});
