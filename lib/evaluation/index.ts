// `evaluation`: many networks against many sets with many detectors, from one file. See docs/evaluation.md.

export { type ManifestResult, runManifest } from './execute/execute.js';
export type { ManifestProgress, RunManifestOptions } from './execute/run.js';
export { type DetectorTime, renderTiming, type Timing } from './execute/timing.js';
export type { DetectorChoice, DetectorSchemas } from './manifest/detectorSchemas.js';
export { ManifestError, type Mistake, type Place, renderMistakes } from './manifest/mistakes.js';
export { type Checked, type CheckOptions, checkManifest, type ReadOptions, readManifest } from './manifest/read.js';
export type {
  ArrayFile,
  ArraySets,
  Bootstrap,
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
export { type Network, networksOf } from './networks.js';
export {
  type Counts,
  type Distance,
  type ExtractJob,
  type FitJob,
  type Job,
  jobsOfPlan,
  type MeasureJob,
  type Plan,
  type PlannedKnown,
  type PlannedNetwork,
  type PlannedSet,
  planManifest,
  type ScoreJob,
  type Skipped,
  type TrainJob,
} from './plan.js';
export { renderPlan } from './planText.js';
export { evaluationCsv, evaluationJson, type Failure, type Outcome } from './resultFiles.js';
export { type EvaluationRow, type Intervals, type Layout, layoutOf, sortRows } from './rows.js';
export { evaluationMarkdown, type Spread, type Table, type TablesOptions, tablesOf } from './tables.js';
