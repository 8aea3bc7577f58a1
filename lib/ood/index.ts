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
export { autogradNorm } from './images/gradNorm.js';
export { type GramOptions, gram } from './images/gram.js';
export {
  type AnyDetector,
  type FitOptions,
  type FittedImageDetector,
  type ImageDetector,
  scoreImages,
} from './images/imageDetector.js';
export { type InputMahalanobisOptions, inputMahalanobis } from './images/inputMahalanobis.js';
export { logisticRegression } from './images/logisticRegression.js';
export { type MahalanobisEnsembleOptions, mahalanobisEnsemble } from './images/mahalanobisEnsemble.js';
export { type OdinOptions, odin } from './images/odin.js';
export type { PerturbationOptions } from './images/perturbation.js';
export { type RankFeatOptions, rankFeat } from './images/rankFeat.js';
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
export type { EvaluatedDataset } from './network/batches.js';
export {
  type Extracted,
  type ExtractOptions,
  extract,
} from './network/extract.js';
export type { ForwardOptions } from './network/forward.js';
export type { EvaluatedModel } from './network/model.js';
export { Network, type NetworkOptions } from './network/network.js';
