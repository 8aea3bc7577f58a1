// `optim`: optimizers and learning-rate schedules.

export { Cosine, type CosineOptions, cosine } from './cosine.js';
export { MultiStep, type MultiStepOptions, multiStep } from './multiStep.js';
export type { AmpOptions, Optimizer, OptimizerState, OptimizerStateSource, ParamGroup } from './optimizer.js';
export { amount, field } from './optimizer.js';
export { Schedule, type Scheduled, type ScheduleState } from './schedule.js';
export { SGD, type SGDGroupOptions, type SGDOptions } from './sgd.js';
