// The ood room's public names: evaluate and its three stages, the scores, the metrics.

export { type Arrays, arrays, type Need, narrowed, rowsOf } from './arrays/arrays.js';
export { ArrayCache, type CacheEntry, type PruneOptions } from './arrays/cache.js';
export { CHUNK, forChunks, type TrainingArrays } from './arrays/chunks.js';
export { type ArraysContent, arraysKey, hashFile, hashTensors } from './arrays/contentHash.js';
export {
  type ArrayName,
  arrayNames,
  type ReadArrays,
  type ReadArraysOptions,
  readArrays,
  writeArrays,
} from './arrays/files.js';
export { type AffineHead, affineHead, type ClassifierHead, type DistanceHead, headOf } from './arrays/head.js';
export { type Calibration, fitTemperature, type TemperatureOptions } from './calibration/temperature.js';
export {
  type Detector,
  type FittedDetector,
  learns,
  needed,
  type Setting,
  type Settings,
  type State,
} from './detectors/detector.js';
export { entropic, es, logitDetector, maxProbability, mds, minDistance, mps } from './detectors/logitScores.js';
export { type EvaluateOptions, type EvaluateProgress, evaluate, scoreAll } from './evaluate.js';
export { type Comparison, Evaluation, type EvaluationInit, type ScoredSet } from './evaluation.js';
export {
  type FitThresholdOptions,
  fitThreshold,
  fitThresholdFromArrays,
  type GuardOptions,
} from './guard/fitThreshold.js';
export { Guard, type GuardContent, type GuardedModel, type LoadGuardOptions } from './guard/guard.js';
export type { MakeDetector } from './guard/makeDetector.js';
export type { Verdict } from './guard/verdicts.js';
export { histogram, sharedEdges } from './metrics/histogram.js';
export {
  auprIn,
  auprOut,
  auroc,
  dtacc,
  type Metrics,
  measure,
  metricsOf,
  thresholdAtTpr,
  tnrAtTpr,
} from './metrics/metrics.js';
export { type Roc, type RocPoints, rocCurve, thinRoc } from './metrics/roc.js';
export {
  type EvaluatedDataset,
  type Extracted,
  type ExtractOptions,
  extract,
} from './network/extract.js';
export type { EvaluatedModel, ForwardOptions } from './network/forward.js';
export { PERCENTILES, percentilesOf } from './thresholds/percentiles.js';
export {
  fitThresholdFromScores,
  type Interval,
  type Threshold,
  type ThresholdOptions,
} from './thresholds/threshold.js';
