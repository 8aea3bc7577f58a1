// Schedules: PyTorch's rates epoch by epoch, and their states across.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as optim from '../lib/optim/index.js';
import { Parameter, torch } from '../lib/tensor/index.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const code = (value: string) => expect.objectContaining({ code: value });
const { it: withPython } = needs(python, 'a Python that has torch');
const optimizer = (...rates: number[]) =>
  new optim.SGD(rates.map((lr) => ({ params: [new Parameter(torch.ones([1]))], lr })));

function rates(schedule: optim.Schedule, epochs: number): number[][] {
  return Array.from({ length: epochs }, () => {
    const now = schedule.lastLr;
    schedule.step();
    return now;
  });
}

const near = (ours: number[][], theirs: number[][]) => {
  expect(ours.length).toBe(theirs.length);
  for (const [i, row] of ours.entries())
    for (const [j, rate] of row.entries()) expect(Math.abs(rate - theirs[i]![j]!)).toBeLessThan(1e-14);
};

withPython("rates equal PyTorch's schedulers, both ways round through their states", () => {
  const theirs = runPython(
    `
    from torch.optim.lr_scheduler import MultiStepLR, CosineAnnealingLR
    def optimizer(): return torch.optim.SGD([{'params': [torch.nn.Parameter(torch.ones(1))], 'lr': lr} for lr in (0.1, 0.03)])
    def rates(make, epochs):
        s = make(optimizer()); out = []
        for _ in range(epochs):
            out.append([g['lr'] for g in s.optimizer.param_groups]); s.optimizer.step(); s.step()
        state = s.state_dict()
        return {'rates': out, 'closed': None, 'state': state, 'keys': list(state)}
    def resumed(make, state):
        s = make(optimizer()); s.load_state_dict(state)
        for g, lr in zip(s.optimizer.param_groups, s._last_lr): g['lr'] = lr
        s.optimizer.step(); s.step()
        return [g['lr'] for g in s.optimizer.param_groups]
    from collections import Counter
    multi = lambda o: MultiStepLR(o, milestones=[2, 5, 5, 7], gamma=0.2)
    cosine = lambda o: CosineAnnealingLR(o, T_max=8, eta_min=0.001)
    given = {**input['multi'], 'milestones': Counter({int(k): v for k, v in input['multi']['milestones']})}
    emit({'multi': rates(multi, 9), 'cosine': rates(cosine, 9), 'zero': rates(lambda o: CosineAnnealingLR(o, T_max=4), 5),
          'multiResumed': resumed(multi, given), 'cosineResumed': resumed(cosine, input['cosine'])})`,
    (() => {
      const multi = optim.multiStep(optimizer(0.1, 0.03), { milestones: [2, 5, 5, 7], gamma: 0.2 });
      const cosine = optim.cosine(optimizer(0.1, 0.03), { epochs: 8, minLr: 0.001 });
      for (const schedule of [multi, cosine]) for (let i = 0; i < 4; i++) schedule.step();
      const { milestones, ...rest } = multi.stateDict();
      return { multi: { ...rest, milestones: [...(milestones as Map<number, number>)] }, cosine: cosine.stateDict() };
    })(),
  );

  const multi = optim.multiStep(optimizer(0.1, 0.03), { milestones: [7, 2, 5, 5], gamma: 0.2 });
  near(rates(multi, 9), theirs.multi.rates);
  const cosine = optim.cosine(optimizer(0.1, 0.03), { epochs: 8, minLr: 0.001 });
  near(rates(cosine, 9), theirs.cosine.rates);
  near(rates(optim.cosine(optimizer(0.1, 0.03), { epochs: 4 }), 5), theirs.zero.rates);
  near(
    [theirs.multiResumed],
    [rates(optim.multiStep(optimizer(0.1, 0.03), { milestones: [2, 5, 5, 7], gamma: 0.2 }), 6)[5]!],
  );
  near([theirs.cosineResumed], [rates(optim.cosine(optimizer(0.1, 0.03), { epochs: 8, minLr: 0.001 }), 6)[5]!]);

  // Theirs into ours, settings included.
  const again = optim.cosine(optimizer(7, 8), { epochs: 2 });
  again.loadStateDict(theirs.cosine.state);
  expect([again.lastEpoch, again.baseLrs]).toEqual([9, [0.1, 0.03]]);
  near([again.lastLr], [cosine.lastLr]);
  const steps = optim.multiStep(optimizer(7, 8), { milestones: [1] });
  steps.loadStateDict(theirs.multi.state);
  near([steps.lastLr], [multi.lastLr]);
  const ownKeys = Object.keys(cosine.stateDict());
  expect(theirs.cosine.keys).toEqual(expect.arrayContaining(ownKeys));
});

const constructions: Record<string, (o: optim.Optimizer) => optim.Schedule> = {
  LambdaLR: (o) => new optim.lrScheduler.LambdaLR(o, (e) => 0.9 ** e),
  StepLR: (o) => new optim.lrScheduler.StepLR(o, { stepSize: 2 }),
  MultiStepLR: (o) => new optim.lrScheduler.MultiStepLR(o, { milestones: [2] }),
  ConstantLR: (o) => new optim.lrScheduler.ConstantLR(o),
  LinearLR: (o) => new optim.lrScheduler.LinearLR(o),
  ExponentialLR: (o) => new optim.lrScheduler.ExponentialLR(o, { gamma: 0.9 }),
  PolynomialLR: (o) => new optim.lrScheduler.PolynomialLR(o),
  CosineAnnealingLR: (o) => new optim.lrScheduler.CosineAnnealingLR(o, { tMax: 5 }),
  CosineAnnealingWarmRestarts: (o) => new optim.lrScheduler.CosineAnnealingWarmRestarts(o, { t0: 5 }),
  CyclicLR: (o) => new optim.lrScheduler.CyclicLR(o, { baseLr: 0.01, maxLr: 0.1, stepSizeUp: 4 }),
  OneCycleLR: (o) => new optim.lrScheduler.OneCycleLR(o, { maxLr: 0.1, totalSteps: 9 }),
  ReduceLROnPlateau: (o) => new optim.lrScheduler.ReduceLROnPlateau(o, { patience: 0 }),
  SequentialLR: (o) =>
    new optim.lrScheduler.SequentialLR(
      o,
      [new optim.lrScheduler.ConstantLR(o), new optim.lrScheduler.LinearLR(o)],
      [2],
    ),
  ChainedScheduler: (o) =>
    new optim.lrScheduler.ChainedScheduler([
      new optim.lrScheduler.ConstantLR(o),
      new optim.lrScheduler.ExponentialLR(o, { gamma: 0.5 }),
    ]),
  SWALR: (o) => new optim.swaUtils.SWALR(o, { swaLr: 0.01 }),
};

describe('a schedule’s state', () => {
  const begun = (name: string, steps: number) => {
    const sgd = new optim.SGD([{ params: [new Parameter(torch.ones([1]))], lr: 0.1 }], { momentum: 0.9 });
    const schedule = constructions[name]!(sgd);
    for (let i = 0; i < steps; i++) schedule.step(1);
    return { sgd, schedule };
  };

  it.each(Object.keys(constructions))('of %s is taken by it alone; others name it and stay as they were', (owner) => {
    const state = begun(owner, 3).schedule.stateDict();
    for (const name of Object.keys(constructions)) {
      const { sgd, schedule } = begun(name, 1);
      const [rate, before] = [sgd.paramGroups[0]!.lr, schedule.stateDict()];
      if (name === owner) {
        schedule.loadStateDict(state);
        expect(schedule.stateDict()).toEqual(state);
        continue;
      }
      const load = () => schedule.loadStateDict(state);
      expect(load, name).toThrow(code('ERR_STATE_DICT'));
      expect(load, name).toThrow(`the state of ${name} but this looks like ${owner}'s`);
      expect([sgd.paramGroups[0]!.lr, schedule.stateDict()]).toEqual([rate, before]);
    }
  });

  it.each(Object.keys(constructions))(
    'of %s goes on where it was made, in whichever order it and the optimizer’s load',
    (name) => {
      const first = begun(name, 3);
      for (const order of [0, 1]) {
        const second = begun(name, 0);
        const loads = [
          () => second.sgd.loadStateDict(first.sgd.stateDict()),
          () => second.schedule.loadStateDict(first.schedule.stateDict()),
        ];
        for (const load of order ? loads.reverse() : loads) load();
        const other = begun(name, 3);
        for (let i = 0; i < 4; i++) {
          for (const { schedule } of [second, other]) schedule.step(1);
          const [now, then] = [second.sgd.paramGroups[0]!, other.sgd.paramGroups[0]!];
          expect([now.lr, now.momentum]).toEqual([then.lr, then.momentum]);
        }
      }
    },
  );
});

describe('schedules', () => {
  it('of steps end when there are no more, and need a momentum to cycle it', () => {
    const sgd = optimizer(0.1);
    const cycle = new optim.lrScheduler.OneCycleLR(sgd, { maxLr: 0.1, totalSteps: 3 });
    for (let i = 0; i < 3; i++) cycle.step();
    expect(() => cycle.step()).toThrow(/at most 3 steps/);
    const without = new optim.Adagrad([new Parameter(torch.ones([1]))]);
    expect(() => new optim.lrScheduler.OneCycleLR(without, { maxLr: 0.1, totalSteps: 3 })).toThrow(
      /cycleMomentum: false/,
    );
    expect(() => new optim.lrScheduler.OneCycleLR(sgd, { maxLr: 0.1 })).toThrow(
      /totalSteps, or epochs and stepsPerEpoch/,
    );
    expect(() => new optim.lrScheduler.CyclicLR(sgd, { baseLr: [0.1, 0.2], maxLr: 1 })).toThrow(/1 values for baseLr/);
    expect(() => new optim.lrScheduler.StepLR(sgd, {} as never)).toThrow(/whole number of 1 or more for stepSize/);
    expect(() => new optim.lrScheduler.StepLR(sgd, { stepsize: 1 } as never)).toThrow(
      /setting of StepLR "stepsize": did you mean stepSize/,
    );
    expect(() => new optim.lrScheduler.SequentialLR(sgd, [], [])).toThrow(/at least one schedule/);
    const plateau = new optim.lrScheduler.ReduceLROnPlateau(sgd);
    expect(() => plateau.step()).toThrow(/the metric/);
    expect(() => new optim.lrScheduler.ChainedScheduler([plateau])).toThrow(/takes no ReduceLROnPlateau/);
    const other = new optim.lrScheduler.ConstantLR(optimizer(0.1));
    expect(() => new optim.lrScheduler.SequentialLR(sgd, [other, cycle], [1])).toThrow(/of one optimizer/);
  });

  it('cosine falls from the first rate to the least, half-way at half time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.double({ min: 1e-3, max: 1, noNaN: true }), (epochs, lr) => {
        const schedule = optim.cosine(optimizer(lr), { epochs: 2 * epochs, minLr: lr / 10 });
        const seen = rates(schedule, 2 * epochs + 1).map(([rate]) => rate as number);
        expect(seen[0]).toBe(lr);
        expect(seen[epochs]).toBeCloseTo((lr + lr / 10) / 2, 12);
        expect(seen.at(-1)).toBeCloseTo(lr / 10, 12);
        for (let i = 1; i < seen.length; i++) expect(seen[i]!).toBeLessThanOrEqual(seen[i - 1]!);
      }),
      { numRuns: 30 },
    );
  });

  it('go on after a stop as if there had been none, in whichever order optimizer and schedule load', () => {
    const first = optimizer(0.4);
    const schedule = optim.multiStep(first, { milestones: [2, 4] });
    for (let i = 0; i < 3; i++) schedule.step();
    for (const order of [0, 1]) {
      const second = optimizer(9);
      const resumed = optim.multiStep(second, { milestones: [2, 4] });
      const loads = [() => second.loadStateDict(first.stateDict()), () => resumed.loadStateDict(schedule.stateDict())];
      for (const load of order ? loads.reverse() : loads) load();
      resumed.step();
      expect(resumed.lastEpoch).toBe(4);
      expect(second.paramGroups[0]!.lr).toBeCloseTo(0.004, 15);
    }
  });

  it('reach the kernel: a step uses the rate of the moment, to the last bit', () => {
    const param = new Parameter(torch.zeros([1], { dtype: 'float64' }));
    const sgd = new optim.SGD([param], { lr: 0.1 });
    const schedule = optim.cosine(sgd, { epochs: 3 });
    param.sum().backward();
    let sum = 0;
    for (let i = 0; i < 3; i++) {
      sum -= sgd.paramGroups[0]!.lr;
      sgd.step();
      expect(param.item()).toBe(sum);
      schedule.step();
    }
  });

  it('refuse settings out of range and foreign states', () => {
    const sgd = optimizer(0.1);
    for (const epochs of [0, -1, 1.5, Number.NaN, '3' as never])
      expect(() => optim.cosine(sgd, { epochs })).toThrow(code('ERR_ARGUMENT'));
    expect(() => optim.cosine(sgd, { epochs: 3, minLr: -1 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => optim.multiStep(sgd, { milestones: [1.5] })).toThrow(code('ERR_ARGUMENT'));
    expect(() => optim.multiStep(sgd, { milestones: 3 as never })).toThrow(/whole numbers of epochs/);
    expect(() => optim.multiStep(sgd, { milestones: [3], gamma: Number.NaN })).toThrow(code('ERR_ARGUMENT'));
    expect(() => optim.cosine({} as never, { epochs: 3 })).toThrow(/an optimizer/);
    const schedule = optim.cosine(sgd, { epochs: 3 });
    expect(() => schedule.loadStateDict({})).toThrow(code('ERR_STATE_DICT'));
    expect(() => schedule.loadStateDict({ base_lrs: [0.1, 0.2], last_epoch: 1 })).toThrow(code('ERR_STATE_DICT'));
    expect(() => schedule.loadStateDict({ base_lrs: [0.1], last_epoch: -1 })).toThrow(code('ERR_STATE_DICT'));
    expect(schedule.lastEpoch).toBe(0);
  });
});
