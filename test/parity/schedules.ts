// Schedules beside PyTorch's (schedules.py): the same constructions, epoch by epoch, and states that go over half-way.

import { readFileSync } from 'node:fs';
import { optim, Parameter, torch } from '../../lib/rooms.js';
import { runPython } from '../support/python.js';

const { lrScheduler, swaUtils } = optim;
type Optimizer = optim.Optimizer;
type Schedule = optim.Schedule;

const groups = (settings: object = {}) =>
  [0.1, 0.03].map((lr) => ({ params: [new Parameter(torch.ones([1]))], lr, ...settings }));
const optimizerFor = (name: string): Optimizer =>
  name.endsWith('betas') ? new optim.AdamW(groups()) : new optim.SGD(groups(), { momentum: 0.5 });

const constructions: Record<string, (o: Optimizer) => Schedule> = {
  LambdaLR: (o) => new lrScheduler.LambdaLR(o, (e) => 0.95 ** e),
  'LambdaLR, one for each group': (o) => new lrScheduler.LambdaLR(o, [(e) => 0.95 ** e, (e) => 1 / (1 + e)]),
  MultiplicativeLR: (o) => new lrScheduler.MultiplicativeLR(o, () => 0.97),
  StepLR: (o) => new lrScheduler.StepLR(o, { stepSize: 30, gamma: 0.3 }),
  MultiStepLR: (o) => new lrScheduler.MultiStepLR(o, { milestones: [120, 20, 50, 50], gamma: 0.2 }),
  ConstantLR: (o) => new lrScheduler.ConstantLR(o, { factor: 0.4, totalIters: 60 }),
  'ConstantLR, defaults': (o) => new lrScheduler.ConstantLR(o),
  LinearLR: (o) => new lrScheduler.LinearLR(o, { startFactor: 0.1, endFactor: 0.7, totalIters: 90 }),
  'LinearLR, defaults': (o) => new lrScheduler.LinearLR(o),
  ExponentialLR: (o) => new lrScheduler.ExponentialLR(o, { gamma: 0.98 }),
  PolynomialLR: (o) => new lrScheduler.PolynomialLR(o, { totalIters: 150, power: 0.9 }),
  'PolynomialLR, defaults': (o) => new lrScheduler.PolynomialLR(o),
  CosineAnnealingLR: (o) => new lrScheduler.CosineAnnealingLR(o, { tMax: 70, etaMin: 0.001 }),
  'CosineAnnealingLR, to zero': (o) => new lrScheduler.CosineAnnealingLR(o, { tMax: 200 }),
  CosineAnnealingWarmRestarts: (o) =>
    new lrScheduler.CosineAnnealingWarmRestarts(o, { t0: 10, tMult: 2, etaMin: 0.001 }),
  'CosineAnnealingWarmRestarts, defaults': (o) => new lrScheduler.CosineAnnealingWarmRestarts(o, { t0: 25 }),
  CyclicLR: (o) => new lrScheduler.CyclicLR(o, { baseLr: 0.01, maxLr: 0.1, stepSizeUp: 15, stepSizeDown: 25 }),
  'CyclicLR, triangular2': (o) =>
    new lrScheduler.CyclicLR(o, {
      baseLr: [0.01, 0.02],
      maxLr: [0.1, 0.3],
      stepSizeUp: 20,
      mode: 'triangular2',
      baseMomentum: 0.7,
    }),
  'CyclicLR, exp_range': (o) =>
    new lrScheduler.CyclicLR(o, { baseLr: 0.01, maxLr: 0.1, stepSizeUp: 20, mode: 'exp_range', gamma: 0.99 }),
  'CyclicLR, own scale': (o) =>
    new lrScheduler.CyclicLR(o, {
      baseLr: 0.01,
      maxLr: 0.1,
      stepSizeUp: 20,
      scaleFn: (x) => 1 / x,
      cycleMomentum: false,
    }),
  OneCycleLR: (o) => new lrScheduler.OneCycleLR(o, { maxLr: 0.1, totalSteps: 220 }),
  'OneCycleLR, linear in three phases': (o) =>
    new lrScheduler.OneCycleLR(o, {
      maxLr: [0.1, 0.2],
      epochs: 20,
      stepsPerEpoch: 11,
      annealStrategy: 'linear',
      threePhase: true,
    }),
  'OneCycleLR, betas': (o) => new lrScheduler.OneCycleLR(o, { maxLr: 0.1, totalSteps: 220, pctStart: 0.2 }),
  ReduceLROnPlateau: (o) => new lrScheduler.ReduceLROnPlateau(o, { factor: 0.5, patience: 3, cooldown: 2 }),
  'ReduceLROnPlateau, max': (o) =>
    new lrScheduler.ReduceLROnPlateau(o, {
      mode: 'max',
      factor: 0.3,
      patience: 5,
      threshold: 0.01,
      thresholdMode: 'abs',
      minLr: [0.001, 0.01],
    }),
  SWALR: (o) => new swaUtils.SWALR(o, { swaLr: 0.05, annealEpochs: 12 }),
  'SWALR, linear': (o) => new swaUtils.SWALR(o, { swaLr: [0.05, 0.2], annealEpochs: 30, annealStrategy: 'linear' }),
  SequentialLR: (o) =>
    new lrScheduler.SequentialLR(
      o,
      [
        new lrScheduler.LinearLR(o, { startFactor: 0.1, totalIters: 10 }),
        new lrScheduler.CosineAnnealingLR(o, { tMax: 90 }),
        new lrScheduler.ExponentialLR(o, { gamma: 0.9 }),
      ],
      [10, 100],
    ),
  'SequentialLR, of restarts': (o) =>
    new lrScheduler.SequentialLR(
      o,
      [
        new lrScheduler.ConstantLR(o, { factor: 0.5, totalIters: 4 }),
        new lrScheduler.CosineAnnealingWarmRestarts(o, { t0: 12 }),
      ],
      [30],
    ),
  'SequentialLR, of steps': (o) =>
    new lrScheduler.SequentialLR(
      o,
      [
        new lrScheduler.StepLR(o, { stepSize: 5 }),
        new lrScheduler.MultiStepLR(o, { milestones: [3, 9] }),
        new lrScheduler.PolynomialLR(o, { totalIters: 40 }),
      ],
      [15, 60],
    ),
  'SequentialLR, of chains': (o) =>
    new lrScheduler.SequentialLR(
      o,
      [
        new lrScheduler.ChainedScheduler([
          new lrScheduler.ConstantLR(o, { factor: 0.1, totalIters: 20 }),
          new lrScheduler.ExponentialLR(o, { gamma: 0.9 }),
        ]),
        new lrScheduler.StepLR(o, { stepSize: 9 }),
      ],
      [200],
    ),
  ChainedScheduler: (o) =>
    new lrScheduler.ChainedScheduler([
      new lrScheduler.ConstantLR(o, { factor: 0.1, totalIters: 20 }),
      new lrScheduler.ExponentialLR(o, { gamma: 0.95 }),
    ]),
  'ChainedScheduler, of three': (o) =>
    new lrScheduler.ChainedScheduler([
      new lrScheduler.StepLR(o, { stepSize: 20 }),
      new lrScheduler.LinearLR(o, { totalIters: 30 }),
      new lrScheduler.CosineAnnealingLR(o, { tMax: 150 }),
    ]),
};

/** Each group's rate and momentum. */
type Values = [number, number][];
interface Half {
  schedule: Record<string, unknown>;
  groups: Record<string, unknown>[];
}

const program = readFileSync(new URL('schedules.py', import.meta.url), 'utf8');
const metric = (epoch: number) => ((epoch * 37) % 11) / 10 + 3 / (1 + Math.floor(epoch / 20));
const valuesOf = ({ paramGroups }: Optimizer): Values =>
  paramGroups.map((group) => [group.lr, group.betas?.[0] ?? group.momentum!]);

/** A Map of counts as a list of pairs, as schedules.py writes it. */
const listed = (value: unknown): unknown => {
  if (value instanceof Map) return [...value];
  if (Array.isArray(value)) return value.map(listed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, listed(item)]));
};
const counted = (state: Record<string, unknown>): Record<string, unknown> => ({
  ...state,
  ...(Array.isArray(state.milestones) && { milestones: new Map(state.milestones as [number, number][]) }),
  ...(Array.isArray(state._schedulers) && { _schedulers: state._schedulers.map(counted) }),
});

function follow(
  optimizer: Optimizer,
  schedule: Schedule,
  from: number,
  to: number,
  at?: (epoch: number) => void,
): Values[] {
  const seen: Values[] = [];
  for (let epoch = from; epoch < to; epoch++) {
    at?.(epoch);
    seen.push(valuesOf(optimizer));
    schedule.step(metric(epoch));
  }
  return seen;
}

const furthest = (ours: Values[], theirs: Values[]): number =>
  ours.length === theirs.length
    ? Math.max(
        ...ours.flatMap((row, i) => row.flatMap((pair, j) => pair.map((x, k) => Math.abs(x - theirs[i]![j]![k]!)))),
      )
    : Number.POSITIVE_INFINITY;

export interface ScheduleOutcome {
  name: string;
  /** The greatest difference of rates and momenta, of those that went on from PyTorch's state, and of PyTorch's from ours. */
  rates: number;
  resumed: number;
  inPython: number;
  /** Keys of one state that the other has not. */
  keys: string[];
}

/** All constructions, for that many epochs; states go over after 77, and back to Python where `isBack`. */
export function compareSchedules(epochs: number, isBack = true): ScheduleOutcome[] {
  const theirs: Record<string, { values: Values[]; half: Half }> = runPython(program, { epochs, resume: null });
  const halves: Record<string, Half> = {};
  const outcomes = Object.entries(theirs).map(([name, { values, half }]) => {
    const optimizer = optimizerFor(name);
    const schedule = constructions[name]!(optimizer);
    const ours = follow(optimizer, schedule, 0, epochs, (epoch) => {
      if (epoch !== 77) return;
      const groupsNow = optimizer.stateDict().param_groups.map(({ params: _, ...group }) => group);
      halves[name] = { schedule: listed(schedule.stateDict()) as Record<string, unknown>, groups: groupsNow };
    });
    const mine = halves[name]!.schedule;
    const keys = [...new Set([...Object.keys(mine), ...Object.keys(half.schedule)])].filter(
      (key) => !(key in mine && key in half.schedule),
    );
    const other = optimizerFor(name);
    const resumed = constructions[name]!(other);
    // In PyTorch's words: the optimizer's state holds what the schedule wrote into its groups.
    other.loadStateDict({ state: {}, param_groups: half.groups.map((group, i) => ({ ...group, params: [i] })) });
    resumed.loadStateDict(counted(half.schedule));
    const went = furthest(follow(other, resumed, 77, epochs), values.slice(77));
    return { name, rates: furthest(ours, values), resumed: went, inPython: 0, keys };
  });
  if (!isBack) return outcomes;
  const back: Record<string, Values[]> = runPython(program, { epochs, resume: halves });
  return outcomes.map((outcome) => ({
    ...outcome,
    inPython: furthest(back[outcome.name]!, theirs[outcome.name]!.values.slice(77)),
  }));
}

/** Constructions here that schedules.py has not, or the other way round, would be seen by this. */
export const constructed = Object.keys(constructions);
