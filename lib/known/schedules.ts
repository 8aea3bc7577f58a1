// The schedules of `torch.optim.lr_scheduler` and `swa_utils`: their settings with PyTorch's defaults, and the names by which
// their states are told apart. One row each; what a schedule does stands in lib/optim/lrScheduler/, in a file of that name.
// Names are PyTorch's in camelCase.

import {
  choice,
  flag,
  type GivenFor,
  list,
  needed,
  number,
  optional,
  perGroup,
  type SettingTable,
  snakeCase,
  type ValuesOf,
  whole,
} from './optimSettings.js';
import { namesOf } from './table.js';

export interface ScheduleRow {
  /** What the rate does, in a few words. */
  readonly title: string;
  readonly settings: SettingTable;
  /** What its state has besides the settings, or in their place, under PyTorch's names. */
  readonly state?: readonly string[];
  /** Whether it is stepped after each batch, not each epoch. */
  readonly isPerStep?: boolean;
}

const factor = (usual: number) => number(usual, { min: 0, max: 1 });
const anneal = choice<'cos' | 'linear'>('cos', 'linear');
/** Momentum falls while the rate rises, and rises while it falls. */
const cycleMomentum = flag(true);

export const schedules = {
  LambdaLR: { title: 'the first rate times a function of the epoch', settings: {}, state: ['lr_lambdas'] },
  MultiplicativeLR: { title: 'times a function of the epoch, each epoch', settings: {}, state: ['lr_lambdas'] },
  StepLR: {
    title: 'times gamma every so many epochs',
    settings: { stepSize: needed(whole(1)), gamma: number(0.1) },
  },
  MultiStepLR: {
    title: 'times gamma at milestones',
    settings: {
      /** Epochs, counted from 0, from whose start the rate is `gamma` times what it was. In any order. */
      milestones: needed(list(whole(0, 0), 'whole numbers of epochs')),
      gamma: number(0.1),
    },
  },
  ConstantLR: {
    title: 'times a factor for some epochs',
    settings: { factor: factor(1 / 3), totalIters: whole(5, 0) },
  },
  LinearLR: {
    title: 'a factor that moves on a line for some epochs',
    settings: { startFactor: number(1 / 3, { above: 0, max: 1 }), endFactor: factor(1), totalIters: whole(5) },
  },
  ExponentialLR: { title: 'times gamma each epoch', settings: { gamma: needed(number(1)) } },
  PolynomialLR: { title: 'to zero by a power of the time left', settings: { totalIters: whole(5), power: number(1) } },
  CosineAnnealingLR: {
    title: 'half a cosine down to etaMin (Loshchilov & Hutter 2017, without restarts)',
    settings: {
      /** Epochs until it is `etaMin`. */
      tMax: needed(whole(1)),
      etaMin: number(0),
    },
  },
  CosineAnnealingWarmRestarts: {
    title: 'half a cosine again and again (Loshchilov & Hutter 2017)',
    settings: {
      /** Epochs of the first cosine. */
      t0: needed(whole(1)),
      /** Each next one takes so many times as long. */
      tMult: whole(1),
      etaMin: number(0),
    },
    state: ['T_i', 'T_cur'],
  },
  CyclicLR: {
    title: 'up and down between two rates (Smith 2017)',
    settings: {
      baseLr: needed(perGroup(number(0))),
      maxLr: needed(perGroup(number(0))),
      /** Steps up, and down (null: as many). */
      stepSizeUp: whole(2000),
      stepSizeDown: optional(whole(2000)),
      /** Cycles of one height, each half as high, or shrinking by `gamma` each step. */
      mode: choice<'triangular' | 'triangular2' | 'exp_range'>('triangular', 'triangular2', 'exp_range'),
      gamma: number(1),
      cycleMomentum,
      baseMomentum: perGroup(number(0.8)),
      maxMomentum: perGroup(number(0.9)),
    },
    state: ['max_lrs', 'total_size', 'step_ratio', 'scale_mode'],
    isPerStep: true,
  },
  OneCycleLR: {
    title: 'up once, and down far below where it began (Smith & Topin 2019)',
    settings: {
      maxLr: needed(perGroup(number(0))),
      /** Steps in all; or epochs and steps of each. */
      totalSteps: optional(whole(1)),
      epochs: optional(whole(1)),
      stepsPerEpoch: optional(whole(1)),
      /** The part of the steps in which it rises. */
      pctStart: number(0.3, { min: 0, max: 1 }),
      annealStrategy: anneal,
      cycleMomentum,
      baseMomentum: perGroup(number(0.85)),
      maxMomentum: perGroup(number(0.95)),
      /** The first rate is `maxLr` divided by it. */
      divFactor: number(25, { above: 0 }),
      /** The last rate is the first divided by it. */
      finalDivFactor: number(1e4, { above: 0 }),
      /** Down to the first rate as fast as up, then to the last. */
      threePhase: flag(false),
    },
    state: ['total_steps', '_schedule_phases', '_anneal_func_type'],
    isPerStep: true,
  },
  ReduceLROnPlateau: {
    title: 'times a factor when a metric has stopped improving',
    settings: {
      /** Whether a lesser metric is better. */
      mode: choice<'min' | 'max'>('min', 'max'),
      factor: number(0.1, { min: 0, below: 1 }),
      /** Epochs without improvement that are let pass. */
      patience: whole(10, 0),
      /** The least improvement that counts: of the best's value, or absolute. */
      threshold: number(1e-4),
      thresholdMode: choice<'rel' | 'abs'>('rel', 'abs'),
      /** Epochs after a reduction in which none are counted. */
      cooldown: whole(0, 0),
      minLr: perGroup(number(0)),
      /** Lesser changes of the rate are not made. */
      eps: number(1e-8),
    },
    state: ['patience', 'cooldown_counter', 'num_bad_epochs'],
  },
  SequentialLR: { title: 'one schedule after the other', settings: {}, state: ['_schedulers', '_milestones'] },
  ChainedScheduler: { title: 'all of several schedules at once', settings: {}, state: ['_schedulers'] },
  SWALR: {
    title: 'to a rate that stays, for averaged weights (Izmailov et al. 2018)',
    settings: { swaLr: needed(perGroup(number(0.05))), annealEpochs: whole(10, 0), annealStrategy: anneal },
    state: ['anneal_epochs', '_anneal_strategy'],
  },
} as const satisfies Record<string, ScheduleRow>;

export type ScheduleName = keyof typeof schedules;
export const scheduleNames = namesOf(schedules);

/** The settings of a schedule, after defaults. */
export type ScheduleSettingsOf<N extends ScheduleName> = ValuesOf<(typeof schedules)[N]['settings']>;
/** What one gives for them. */
export type ScheduleOptionsOf<N extends ScheduleName> = GivenFor<(typeof schedules)[N]['settings']>;

/** `stepSize` → `step_size`, `tMax` → `T_max`: a setting's name in PyTorch's state. */
export const scheduleKey = (name: string): string =>
  /^t(0|Max|Mult)$/.test(name) ? `T_${name.slice(1).toLowerCase()}` : snakeCase(name);

/** The names by which a schedule's state is known from others'. */
export function stateKeys(name: ScheduleName): string[] {
  const { settings, state }: ScheduleRow = schedules[name];
  return [...(state ?? Object.keys(settings).map(scheduleKey))];
}

/** The schedule whose state has the most of these names; undefined if none is wholly there. */
export function scheduleWithState(keys: ReadonlySet<string>): ScheduleName | undefined {
  const whole = scheduleNames.filter((name) => stateKeys(name).every((key) => keys.has(key)));
  return whole.sort((a, b) => stateKeys(b).length - stateKeys(a).length)[0];
}

/** The schedule of that name, in whichever case it is written; undefined if there is none. */
export const scheduleNamed = (name: string): ScheduleName | undefined =>
  scheduleNames.find((known) => known.toLowerCase() === name.toLowerCase());
