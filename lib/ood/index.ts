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
export { type FdbdOptions, fdbd } from './detectors/fdbd.js';
export { type KnnOptions, knn } from './detectors/knn.js';
export { entropic, es, logitDetector, maxProbability, mds, minDistance, mps } from './detectors/logitScores.js';
export { mahalanobis } from './detectors/mahalanobis.js';
export { type NciOptions, nci } from './detectors/nci.js';
export { type NnguideOptions, nnguide } from './detectors/nnguide.js';
export { type RelationOptions, relation } from './detectors/relation.js';
export { type ResidualOptions, residual } from './detectors/residual.js';
export { rmds } from './detectors/rmds.js';
export { she } from './detectors/she.js';
export { type VimOptions, vim } from './detectors/vim.js';
export { type EvaluateOptions, type EvaluateProgress, evaluate, scoreAll } from './evaluate.js';
export { type Comparison, Evaluation, type EvaluationInit, type ScoredSet } from './evaluation.js';
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
