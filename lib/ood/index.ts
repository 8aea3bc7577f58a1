// The ood room's public names: evaluate and its three stages, the scores, the metrics.

export { type EvaluateOptions, type EvaluateProgress, evaluate, scoreAll } from './evaluate.js';
export { type Comparison, Evaluation, type EvaluationInit, type ScoredSet } from './evaluation.js';
export {
  type EvaluatedDataset,
  type Extracted,
  type ExtractOptions,
  extract,
} from './extract.js';
export type { EvaluatedModel, ForwardOptions } from './forward.js';
export { histogram, sharedEdges } from './histogram.js';
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
} from './metrics.js';
export { type Roc, type RocPoints, rocCurve, thinRoc } from './roc.js';
export { entropic, es, maxProbability, mds, minDistance, mps, type Score } from './scores.js';
