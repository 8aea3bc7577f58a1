// `optim.lrScheduler`: learning-rate schedules, as `torch.optim.lr_scheduler`.

export { ConstantLR } from './constantLR.js';
export { CosineAnnealingLR } from './cosineAnnealingLR.js';
export { CosineAnnealingWarmRestarts } from './cosineAnnealingWarmRestarts.js';
export { CyclicLR, type CyclicScale } from './cyclicLR.js';
export { ExponentialLR } from './exponentialLR.js';
export { LambdaLR, type LrLambda, MultiplicativeLR } from './lambdaLR.js';
export { LinearLR } from './linearLR.js';
export {
  LRScheduler,
  type Resumed,
  type Scheduled,
  type ScheduleOptions,
  type ScheduleState,
  type ScheduleStateSource,
} from './lrScheduler.js';
export { MultiStepLR } from './multiStepLR.js';
export { OneCycleLR } from './oneCycleLR.js';
export { PolynomialLR } from './polynomialLR.js';
export { ReduceLROnPlateau } from './reduceLROnPlateau.js';
export { ChainedScheduler, SequentialLR } from './several.js';
export { StepLR } from './stepLR.js';
