// The ood room's public names: evaluate and its three stages, the scores, the metrics.

export { type Arrays, arrays, type Need, narrowed, rowsOf } from './arrays/arrays.js';
export { CHUNK, forChunks, type TrainingArrays } from './arrays/chunks.js';
export { type AffineHead, affineHead, type ClassifierHead, type DistanceHead, headOf } from './arrays/head.js';
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
export { autc } from './metrics/autc.js';
export {
  type BootstrapInterval,
  type BootstrapMetric,
  type BootstrapOptions,
  type Bootstrapped,
  bootstrap,
  type PairedDifference,
  pairedBootstrap,
  type ScorePair,
} from './metrics/bootstrap.js';
export { accuracy, brier, type ClassifierMetrics, ece, measureClassifier, nll } from './metrics/calibration.js';
export { fprAtTprId, fprAtTprOod } from './metrics/fprAtTpr.js';
export { histogram, sharedEdges } from './metrics/histogram.js';
export { type AllMetrics, allMetricsOf, measureAll } from './metrics/measureAll.js';
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
export { oscr } from './metrics/oscr.js';
export { averagePrecisionIn, averagePrecisionOut } from './metrics/precisionRecall.js';
export { type ClassifierOutput, type Numbers, type Predictions, predictions } from './metrics/predictions.js';
export {
  type HendrycksMetrics,
  type IsomaxPaperMetrics,
  type OdinOriginalMetrics,
  type OdinOriginalOptions,
  type OpenoodMetrics,
  PROFILE_NAMES,
  type Profile,
  type ProfileName,
  type PytorchOodMetrics,
  profile,
} from './metrics/profiles/index.js';
export { type Roc, type RocPoints, rocCurve, thinRoc } from './metrics/roc.js';
export {
  type EvaluatedDataset,
  type Extracted,
  type ExtractOptions,
  extract,
} from './network/extract.js';
export type { EvaluatedModel, ForwardOptions } from './network/forward.js';
