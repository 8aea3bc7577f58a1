// `evaluation`: many networks against many sets with many detectors, from one file. See docs/evaluation.md.

export { type ManifestResult, type Outcome, runManifest } from './execute/execute.js';
export type { ManifestProgress, RunManifestOptions } from './execute/run.js';
export { type DetectorTime, renderTiming, type Timing } from './execute/timing.js';
export type { DetectorChoice, DetectorSchemas } from './manifest/detectorSchemas.js';
export { ManifestError, type Mistake, type Place, renderMistakes } from './manifest/mistakes.js';
export { type Checked, type CheckOptions, checkManifest, type ReadOptions, readManifest } from './manifest/read.js';
export type {
  ArrayFile,
  ArraySets,
  Checkpoint,
  DataReference,
  DataSource,
  KnownSet,
  Manifest,
  Normalization,
  RunSource,
  Training,
  UnknownSets,
  WeightsSource,
} from './manifest/types.js';
export { type NetworkEntry, networksOf } from './networks.js';
export {
  type Counts,
  type ExtractJob,
  type FitJob,
  type Job,
  jobsOfPlan,
  layoutOf,
  type MeasureJob,
  type Plan,
  type PlannedKnown,
  type PlannedNetwork,
  type PlannedSet,
  planManifest,
  type ScoreJob,
  type TrainJob,
} from './plan.js';
export { renderPlan } from './planText.js';
export { type Effect, type QuickstartOptions, type QuickstartResult, quickstart } from './quickstart.js';
export { type EvaluateRunsOptions, evaluateRuns, planRuns, type RunsResult, type Trained } from './runs.js';
