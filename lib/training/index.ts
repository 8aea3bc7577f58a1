// `training`: the trainer, its recipes and run directories, and experiments by name.

export type { Precision } from '../known/precisions.js';
export type { AveragedSettings } from './averaging.js';
export { describeEnvironment, type EnvironmentRecord } from './environment.js';
export {
  defaultExperiment,
  type Experiment,
  makeModel,
  type TrainOptions,
  trainExperiment,
} from './experiment.js';
export type { AnyDataset } from './feed.js';
export { type Criterion, type FitOptions, type FitResult, fit, type StepRecord } from './fit.js';
export type { EarlyStopping, Goal } from './goal.js';
export { type Guarded, type OpenGuardOptions, openGuard } from './guard.js';
export type { Metric, Metrics } from './meter.js';
export type { Progress } from './pace.js';
export {
  type OptimizerSettings,
  type Recipe,
  type RecipeChanges,
  type RecipeName,
  recipes,
  resolveRecipe,
  type ScheduleSettings,
} from './recipes.js';
export { type EpochRecord, RunDirectory } from './runDirectory.js';
export { type LayerSummary, type Summary, summary } from './summary.js';
