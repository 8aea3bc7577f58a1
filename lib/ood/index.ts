// The ood room's public names: evaluate and its three stages, detectors and activation shapings, the metrics.

export type {
  ChoiceSetting,
  FlagSetting,
  NumberLimits,
  NumberSetting,
  NumbersSetting,
  PathSetting,
  PathsSetting,
  Setting,
  SettingSpec,
  SettingSpecs,
  Settings,
} from '../known/detectorSettings.js';
export {
  type DetectorEntry,
  type DetectorName,
  type DetectorNeed,
  type DetectorSettings,
  detectorNames,
  detectorSpecs,
  type FitsOn,
  type Need,
  namesElsewhere,
  type ShapingEntry,
  type ShapingName,
  type ShapingSettings,
  shapingNames,
  shapingSpecs,
} from '../known/detectors.js';
export { type DetectorSpec, parseDetector } from '../known/parseDetector.js';
export { type Arrays, arrays, narrowed, rowsOf } from './arrays/arrays.js';
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
export { percentiles, type Walk } from './arrays/percentiles.js';
export { type Calibration, fitTemperature, type TemperatureOptions } from './calibration/temperature.js';
export { type Comparison, Evaluation, type EvaluationInit, type ScoredSet } from './comparisons.js';
export {
  type Detector,
  type FittedDetector,
  learns,
  needed,
  type State,
} from './detectors/detector.js';
export { dice } from './detectors/dice.js';
export { energy } from './detectors/energy.js';
export { fdbd } from './detectors/fdbd.js';
export {
  type DetectorFile,
  type DetectorPart,
  type LoadDetectorOptions,
  loadDetector,
  loadDetectorFile,
  type MakeDetector,
  type SaveDetectorOptions,
  saveDetector,
} from './detectors/file.js';
export { gen } from './detectors/gen.js';
export { gradNorm } from './detectors/gradNorm.js';
export {
  maxMeanLogit,
  maxMeanLogitEntropic,
  maxMeanLogitEntropicProbability,
  mmleps,
  mmles,
  mmls,
} from './detectors/isomaxScores.js';
export { klMatching } from './detectors/klMatching.js';
export { knn } from './detectors/knn.js';
export {
  entropic,
  es,
  logitDetector,
  maxLogit,
  maxProbability,
  mds,
  minDistance,
  mps,
} from './detectors/logitScores.js';
export { mahalanobis } from './detectors/mahalanobis.js';
export { nci } from './detectors/nci.js';
export { nnguide } from './detectors/nnguide.js';
export { openMax } from './detectors/openmax.js';
export { byName } from './detectors/registry.js';
export { relation } from './detectors/relation.js';
export { residual } from './detectors/residual.js';
export { rmds } from './detectors/rmds.js';
export { she } from './detectors/she.js';
export { scaledMaxProbability, temperatureScaling } from './detectors/temperature.js';
export { vim } from './detectors/vim.js';
export { type EvaluateOptions, type EvaluateProgress, evaluate, scoreAll } from './evaluate.js';
export type { GuardContent } from './guard/file.js';
export {
  type FitThresholdOptions,
  fitThreshold,
  fitThresholdFromArrays,
  type GuardOptions,
} from './guard/fitThreshold.js';
export { Guard, type LoadGuardOptions } from './guard/guard.js';
export type { GuardedModel } from './guard/network.js';
export type { Verdict } from './guard/verdicts.js';
export { autogradNorm } from './images/gradNorm.js';
export { gram } from './images/gram.js';
export {
  type AnyDetector,
  type FitOptions,
  type FittedImageDetector,
  type ImageDetector,
  isUnfitted,
  looksAtArrays,
  looksAtNetwork,
  scoreImages,
} from './images/imageDetector.js';
export { inputMahalanobis } from './images/inputMahalanobis.js';
export { logisticRegression } from './images/logisticRegression.js';
export { mahalanobisEnsemble } from './images/mahalanobisEnsemble.js';
export { odin } from './images/odin.js';
export { rankFeat } from './images/rankFeat.js';
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
export type { EvaluatedDataset } from './network/batches.js';
export { type Extracted, type ExtractOptions, extract } from './network/extract.js';
export type { ForwardOptions } from './network/forward.js';
export type { EvaluatedModel } from './network/model.js';
export { Network, type NetworkOptions } from './network/network.js';
export { react, vra } from './shaping/clipping.js';
export { ashB, ashP, ashS, scale } from './shaping/pruning.js';
export { shaped } from './shaping/shaped.js';
export { type FittedShaping, type Shaping, shapingLearns } from './shaping/shaping.js';
export { PERCENTILES, percentilesOf } from './thresholds/scorePercentiles.js';
export {
  fitThresholdFromScores,
  type Interval,
  type Threshold,
  type ThresholdOptions,
} from './thresholds/threshold.js';
