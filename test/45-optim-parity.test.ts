// A part of `npm run parity`: each optimizer's first and last configuration of PyTorch's list, and all schedules.

import { expect } from 'vitest';
import { optim, Parameter, torch } from '../lib/rooms.js';
import { draw, run } from './parity/optimizers.js';
import { compareSchedules } from './parity/schedules.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const { it } = needs(python, 'a Python that has torch');

it("optimizers step as PyTorch's do, captured too, and go on from its states", async () => {
  const steps = 6;
  const { names, cases } = draw({ steps, dtypes: ['float32'], each: 'ends' });
  expect(names).toHaveLength(15);
  for (const given of cases) {
    const { weights, state, resumed, keys, captured } = await run(given, steps);
    const what = `${given.name}, ${given.desc}`;
    expect(Math.max(weights, state, resumed), what).toBeLessThan(1e-6);
    expect([keys, captured ?? true], what).toEqual([[], true]);
  }
});

it("schedules give PyTorch's rates and momenta, and go on from its states", () => {
  for (const { name, rates, resumed, keys } of compareSchedules(100, false)) {
    expect(Math.max(rates, resumed), name).toBeLessThan(1e-12);
    expect(keys, name).toEqual([]);
  }
});

const fused: [string, Record<string, unknown>][] = ['Adam', 'AdamW'].flatMap(
  (name): [string, Record<string, unknown>][] => [
    [name, {}],
    [name, { lr: 0.1, betas: [0.8, 0.95], eps: 1e-6, weightDecay: 0.1 }],
    [name, { amsgrad: true, maximize: true, weightDecay: 0.3 }],
  ],
);
fused.push(
  ['Adagrad', {}],
  ['Adagrad', { lr: 0.3, lrDecay: 0.1, weightDecay: 0.1, initialAccumulatorValue: 0.2, maximize: true }],
);

it('Adam, AdamW and Adagrad are PyTorch’s fused forms bit for bit', () => {
  const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const given = fused.map(([name, settings]) => ({
    name,
    settings: Object.fromEntries(Object.entries(settings).map(([key, value]) => [snake(key), value])),
  }));
  const theirs = runPython(
    `
    def run(name, settings):
        torch.manual_seed(2)
        param = torch.nn.Parameter(torch.randn(130))
        optimizer = getattr(torch.optim, name)([param], **settings, fused=True)
        for step in range(5):
            optimizer.zero_grad()
            (param.sin() * param).sum().backward()
            optimizer.step()
        return {'param': param, **optimizer.state_dict()['state'][0]}
    emit([run(each['name'], each['settings']) for each in input])`,
    given,
  );
  for (const [i, [name, settings]] of fused.entries()) {
    torch.manualSeed(2);
    const param = new Parameter(torch.randn([130]));
    const optimizer = optim.byName(name, [param], settings);
    for (let step = 0; step < 5; step++) {
      optimizer.zeroGrad();
      param.sin().mul(param).sum().backward();
      optimizer.step();
    }
    const state = Object.entries(optimizer.stateDict().state.get(0)!).map(([key, value]) => [
      key,
      encode(value as never),
    ]);
    expect({ param: encode(param), ...Object.fromEntries(state) }, name).toEqual(theirs[i]);
  }
});
