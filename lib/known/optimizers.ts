// The optimizers of `torch.optim`: their settings with PyTorch's defaults, and the tensors that each keeps for a parameter.
// One row each; the update rule stands in lib/optim/, in a file of that name. Names are PyTorch's in camelCase.

import {
  anyNumber,
  choice,
  flag,
  number,
  off,
  optional,
  type Setting,
  tuple,
  type ValuesOf,
  whole,
} from './optimSettings.js';
import { namesOf } from './table.js';

export interface OptimizerRow<S = Record<never, never>> {
  /** PyTorch's class. */
  readonly name: string;
  /** The method in a few words, with its source. */
  readonly title: string;
  readonly settings: { readonly [K in keyof S]: Setting<S[K]> };
  /** What it keeps for each parameter, under PyTorch's names in camelCase. */
  readonly state: readonly string[];
}

const lr = (usual: number) => number(usual);
const below1 = (usual: number) => number(usual, { min: 0, below: 1 });
const betas = tuple<[number, number]>(below1(0.9), below1(0.999));

/** `true`: operator by operator on lists of tensors, also where one fused call could do it. */
const foreach = optional(flag(true));
/** PyTorch's word for steps that a graph may hold: here every step is one, and this changes nothing. */
const capturable = flag(false);
/** Gradients through the step itself. */
const differentiable = off;
/** `false`: never in one fused call. */
const fused = optional(flag(true));
/** L2 penalty: this times the parameter is added to its gradient. */
const weightDecay = number(0);
/** Climbs instead of descending. */
const maximize = flag(false);

const adam = {
  lr: lr(1e-3),
  /** How much of the averages of gradients and of their squares stays in each step. */
  betas,
  /** Added to the denominator. */
  eps: number(1e-8),
};

export const optimizers = {
  Adadelta: {
    name: 'Adadelta',
    title: 'Adadelta (Zeiler 2012)',
    settings: {
      lr: lr(1),
      /** How much of the average of squared gradients stays. */
      rho: number(0.9, { min: 0, max: 1 }),
      eps: number(1e-6),
      weightDecay,
      maximize,
      capturable,
      foreach,
      differentiable,
    },
    state: ['step', 'squareAvg', 'accDelta'],
  },
  Adafactor: {
    name: 'Adafactor',
    title: 'Adafactor (Shazeer & Stern 2018): second moments as rows times columns',
    settings: {
      lr: lr(1e-2),
      /** The power of the step by which less of each new square counts. */
      beta2Decay: anyNumber(-0.8, { max: 0 }),
      /** The least of the squares (null: the dtype's epsilon), and of the parameter's size. */
      eps: tuple<[number | null, number]>(optional(number(0)), number(1e-3)),
      /** The greatest root mean square of an update. */
      d: number(1, { min: 1 }),
      weightDecay,
      foreach,
      maximize,
    },
    state: ['step', 'rowVar', 'colVar', 'variance'],
  },
  Adagrad: {
    name: 'Adagrad',
    title: 'Adagrad (Duchi et al. 2011)',
    settings: {
      lr: lr(1e-2),
      /** The rate is divided by 1 + steps·lrDecay. */
      lrDecay: number(0),
      eps: number(1e-10),
      weightDecay,
      /** What the sums of squares begin with. */
      initialAccumulatorValue: number(0),
      foreach,
      maximize,
      differentiable,
      fused,
    },
    state: ['step', 'sum'],
  },
  Adam: {
    name: 'Adam',
    title: 'Adam (Kingma & Ba 2015)',
    settings: {
      ...adam,
      weightDecay,
      /** The greatest of all averages of squares so far takes the place of the present one (Reddi et al. 2018). */
      amsgrad: flag(false),
      maximize,
      foreach,
      capturable,
      differentiable,
      fused,
      /** Weight decay as AdamW's: off the parameter instead of into the gradient. */
      decoupledWeightDecay: flag(false),
    },
    state: ['step', 'expAvg', 'expAvgSq', 'maxExpAvgSq'],
  },
  Adamax: {
    name: 'Adamax',
    title: 'Adamax (Kingma & Ba 2015): Adam with the infinity norm',
    settings: { ...adam, lr: lr(2e-3), weightDecay, foreach, maximize, differentiable, capturable },
    state: ['step', 'expAvg', 'expInf'],
  },
  AdamW: {
    name: 'AdamW',
    title: 'Adam with decoupled weight decay (Loshchilov & Hutter 2019)',
    settings: {
      ...adam,
      /** How much of each parameter goes in a step, times the rate. */
      weightDecay: number(1e-2),
      amsgrad: flag(false),
      maximize,
      foreach,
      capturable,
      differentiable,
      fused,
      decoupledWeightDecay: flag(true),
    },
    state: ['step', 'expAvg', 'expAvgSq', 'maxExpAvgSq'],
  },
  ASGD: {
    name: 'ASGD',
    title: 'Averaged stochastic gradient descent (Polyak & Juditsky 1992)',
    settings: {
      lr: lr(1e-2),
      /** Decay of the parameters. */
      lambd: anyNumber(1e-4),
      /** The power by which the rate falls. */
      alpha: anyNumber(0.75),
      /** The step from which averaging counts. */
      t0: anyNumber(1e6),
      weightDecay,
      foreach,
      maximize,
      differentiable,
      capturable,
    },
    state: ['step', 'eta', 'mu', 'ax'],
  },
  LBFGS: {
    name: 'LBFGS',
    title: 'L-BFGS (Liu & Nocedal 1989), which calls a closure several times in a step',
    settings: {
      lr: lr(1),
      /** Iterations in a step. */
      maxIter: whole(20),
      /** Calls of the closure in a step; null: 1.25 times as many. */
      maxEval: optional(whole(25)),
      /** Done where no part of the gradient is greater. */
      toleranceGrad: number(1e-7),
      /** Done where neither the loss nor a parameter changes by more. */
      toleranceChange: number(1e-9),
      /** Updates that are kept. */
      historySize: whole(100),
      /** How far to go along a direction; null: as far as the rate says. */
      lineSearchFn: optional(choice('strong_wolfe')),
    },
    state: ['funcEvals', 'nIter', 'al', 'd', 't', 'oldDirs', 'oldStps', 'ro', 'HDiag', 'prevFlatGrad', 'prevLoss'],
  },
  Muon: {
    name: 'Muon',
    title: 'Momentum, orthogonalised by Newton and Schulz (Jordan et al. 2024), for matrices',
    settings: {
      lr: lr(1e-3),
      /** How much of each parameter goes in a step, times the rate. */
      weightDecay: number(0.1),
      momentum: number(0.95),
      nesterov: flag(true),
      /** Of the quintic that is iterated. */
      nsCoefficients: tuple<[number, number, number]>(anyNumber(3.4445), anyNumber(-4.775), anyNumber(2.0315)),
      eps: number(1e-7),
      /** How often it is iterated. */
      nsSteps: whole(5, 0),
      /** How the rate follows a matrix' shape; null is `'original'`. */
      adjustLrFn: optional(choice<'original' | 'match_rms_adamw'>('original', 'match_rms_adamw')),
    },
    state: ['momentumBuffer'],
  },
  NAdam: {
    name: 'NAdam',
    title: 'Adam with Nesterov’s momentum (Dozat 2016)',
    settings: {
      ...adam,
      lr: lr(2e-3),
      weightDecay,
      /** How fast the momentum rises. */
      momentumDecay: number(4e-3),
      decoupledWeightDecay: flag(false),
      maximize,
      foreach,
      capturable,
      differentiable,
    },
    state: ['step', 'muProduct', 'expAvg', 'expAvgSq'],
  },
  RAdam: {
    name: 'RAdam',
    title: 'Rectified Adam (Liu et al. 2020)',
    settings: {
      ...adam,
      weightDecay,
      maximize,
      foreach,
      capturable,
      decoupledWeightDecay: flag(false),
      differentiable,
    },
    state: ['step', 'expAvg', 'expAvgSq'],
  },
  RMSprop: {
    name: 'RMSprop',
    title: 'RMSprop (Hinton 2012; centered: Graves 2013)',
    settings: {
      lr: lr(1e-2),
      momentum: number(0),
      /** How much of the average of squared gradients stays. */
      alpha: number(0.99),
      eps: number(1e-8),
      /** Divides by the gradient's standard deviation instead of its root mean square. */
      centered: flag(false),
      weightDecay,
      capturable,
      foreach,
      maximize,
      differentiable,
    },
    state: ['step', 'squareAvg', 'momentumBuffer', 'gradAvg'],
  },
  Rprop: {
    name: 'Rprop',
    title: 'Resilient backpropagation (Riedmiller & Braun 1993), for whole batches',
    settings: {
      /** The first step of each element. */
      lr: lr(1e-2),
      /** What a step is multiplied by where the gradient's sign changed, and where it stayed. */
      etas: tuple<[number, number]>(number(0.5, { above: 0, below: 1 }), number(1.2, { above: 1 })),
      /** The least and the greatest step. */
      stepSizes: tuple<[number, number]>(number(1e-6), number(50)),
      foreach,
      maximize,
      differentiable,
      capturable,
    },
    state: ['step', 'prev', 'stepSize'],
  },
  SGD: {
    name: 'SGD',
    title: 'Stochastic gradient descent with momentum',
    settings: {
      lr: lr(1e-3),
      momentum: number(0),
      /** How little of a new gradient goes into the momentum. */
      dampening: anyNumber(0),
      weightDecay,
      /** Nesterov's momentum; needs a momentum and no dampening. */
      nesterov: flag(false),
      maximize,
      foreach,
      differentiable,
      fused,
    },
    state: ['momentumBuffer'],
  },
  SparseAdam: {
    name: 'SparseAdam',
    title: 'Adam that moves only what a sparse gradient names',
    settings: { ...adam, lr: number(1e-3, { above: 0 }), maximize },
    state: ['step', 'expAvg', 'expAvgSq'],
  },
} as const;

export type OptimizerName = keyof typeof optimizers;
export const optimizerNames = namesOf(optimizers);

/** The settings of an optimizer, after defaults. */
export type SettingsOf<N extends OptimizerName> = ValuesOf<(typeof optimizers)[N]['settings']>;

/** The names of an optimizer's state for each parameter. */
export type StateOf<N extends OptimizerName> = (typeof optimizers)[N]['state'][number];

/** The optimizer of that name, in whichever case it is written: `'sgd'`, `'AdamW'`; undefined if there is none. */
export const optimizerNamed = (name: string): OptimizerName | undefined =>
  optimizerNames.find((known) => known.toLowerCase() === name.toLowerCase());
