// Optimizers and schedules by name, for recipes, configurations and command lines.

import { expected } from '../errors.js';
import { type OptimizerName, optimizerNamed, optimizerNames } from '../known/optimizers.js';
import { type ScheduleName, scheduleNamed, scheduleNames } from '../known/schedules.js';
import type { Tensor } from '../tensor/index.js';
import { Adadelta } from './adadelta.js';
import { Adafactor } from './adafactor.js';
import { Adagrad } from './adagrad.js';
import { Adam } from './adam.js';
import { Adamax } from './adamax.js';
import { AdamW } from './adamw.js';
import { ASGD } from './asgd.js';
import { LBFGS } from './lbfgs.js';
import * as lrScheduler from './lrScheduler/index.js';
import { Muon } from './muon.js';
import { NAdam } from './nadam.js';
import type { Optimizer } from './optimizer.js';
import type { MaybeNamed } from './paramGroup.js';
import { RAdam } from './radam.js';
import { RMSprop } from './rmsprop.js';
import { Rprop } from './rprop.js';
import { SGD } from './sgd.js';
import { SparseAdam } from './sparseAdam.js';
import { SWALR } from './swaUtils/swalr.js';

type OptimizerClass = new (params: Iterable<MaybeNamed>, settings: object) => Optimizer;

/** Each row's class: a row without one does not compile. */
const optimizerClasses: Record<OptimizerName, OptimizerClass> = {
  Adadelta,
  Adafactor,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  ASGD,
  LBFGS,
  Muon,
  NAdam,
  RAdam,
  RMSprop,
  Rprop,
  SGD,
  SparseAdam,
};

/** Schedules that need functions or other schedules can't be said by name and settings. */
type Unsayable = 'LambdaLR' | 'MultiplicativeLR' | 'SequentialLR' | 'ChainedScheduler';
export type SayableSchedule = Exclude<ScheduleName, Unsayable>;
type ScheduleClass = new (optimizer: lrScheduler.Scheduled, settings: never) => lrScheduler.LRScheduler;

const scheduleClasses: Record<SayableSchedule, ScheduleClass> = {
  StepLR: lrScheduler.StepLR,
  MultiStepLR: lrScheduler.MultiStepLR,
  ConstantLR: lrScheduler.ConstantLR,
  LinearLR: lrScheduler.LinearLR,
  ExponentialLR: lrScheduler.ExponentialLR,
  PolynomialLR: lrScheduler.PolynomialLR,
  CosineAnnealingLR: lrScheduler.CosineAnnealingLR,
  CosineAnnealingWarmRestarts: lrScheduler.CosineAnnealingWarmRestarts,
  CyclicLR: lrScheduler.CyclicLR,
  OneCycleLR: lrScheduler.OneCycleLR,
  ReduceLROnPlateau: lrScheduler.ReduceLROnPlateau,
  SWALR,
};

/**
 * The optimizer of that name, in whichever case it is written.
 * @throws ERR_ARGUMENT for an unknown name, or settings that it has not or out of range
 * @example optim.byName('adamw', model.parameters(), { lr: 1e-3 });
 */
export function byName(name: string, params: Iterable<Tensor>, settings: object = {}): Optimizer {
  const known = typeof name === 'string' ? optimizerNamed(name) : undefined;
  if (known === undefined) throw expected(`one of ${optimizerNames.join(', ')}`, 'name', name);
  return new optimizerClasses[known](params, settings);
}

/**
 * The schedule of that name, in whichever case it is written; those made of functions or schedules have none.
 * @throws ERR_ARGUMENT for an unknown name, or settings that it has not or out of range
 * @example optim.scheduleByName('CosineAnnealingLR', optimizer, { tMax: 10 });
 */
export function scheduleByName(
  name: string,
  optimizer: lrScheduler.Scheduled,
  settings: object = {},
): lrScheduler.LRScheduler {
  const known = typeof name === 'string' ? scheduleNamed(name) : undefined;
  if (known === undefined || !(known in scheduleClasses))
    throw expected(`one of ${scheduleNames.filter((key) => key in scheduleClasses).join(', ')}`, 'name', name);
  return new scheduleClasses[known as SayableSchedule](optimizer, settings as never);
}
