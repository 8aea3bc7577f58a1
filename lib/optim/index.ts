// `optim`: optimizers, learning-rate schedules and averaged models, as `torch.optim`.

export type { OptimizerName, OptimizerRow, SettingsOf } from '../known/optimizers.js';
export type { Setting } from '../known/optimSettings.js';
export type { ScheduleName } from '../known/schedules.js';
export { Adadelta, type AdadeltaOptions } from './adadelta.js';
export { Adafactor, type AdafactorOptions } from './adafactor.js';
export { Adagrad, type AdagradOptions } from './adagrad.js';
export { Adam, type AdamOptions } from './adam.js';
export { Adamax, type AdamaxOptions } from './adamax.js';
export { AdamW, type AdamWOptions } from './adamw.js';
export { ASGD, type ASGDOptions } from './asgd.js';
export type { Batch } from './batch.js';
export { byName, type SayableSchedule, scheduleByName } from './byName.js';
export { LBFGS, type LBFGSOptions } from './lbfgs.js';
export * as lrScheduler from './lrScheduler/index.js';
export { Muon, type MuonOptions } from './muon.js';
export { NAdam, type NAdamOptions } from './nadam.js';
export { type AmpOptions, type CommonSettings, type GroupOptions, Optimizer, type Params } from './optimizer.js';
export type { ParamGroup } from './paramGroup.js';
export { RAdam, type RAdamOptions } from './radam.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { Rprop, type RpropOptions } from './rprop.js';
export { type CosineOptions, cosine, type MultiStepOptions, multiStep, type Schedule } from './schedule.js';
export { SGD, type SGDOptions } from './sgd.js';
export { SparseAdam, type SparseAdamOptions } from './sparseAdam.js';
export type { Kept } from './state.js';
export type { OptimizerState, OptimizerStateSource } from './stateDict.js';
export * as swaUtils from './swaUtils/index.js';
