// The whole way from a network to its figures, in three stages that can also be used alone: extract (network/extract.ts:
// images to logits and features), score (detectors/: these to a number an image), measure (evaluation.ts: numbers to metrics
// and curves). Each data set is gone through once, however many scores are asked for; detectors that need the network itself
// (images/) see each batch while it is there.

import { expected, IsotorchError } from '../errors.js';
import type { RunLabels } from '../report/index.js';
import { Tensor, tidy } from '../tensor/index.js';
import { type Arrays, rowsOf } from './arrays/arrays.js';
import { forChunks } from './arrays/chunks.js';
import { checkLabels } from './arrays/classLabels.js';
import { Evaluation, type ScoredSet } from './comparisons.js';
import type { Detector } from './detectors/detector.js';
import { entropic, maxProbability, minDistance } from './detectors/logitScores.js';
import { checkTraining, fitAll, readsFeatures } from './fitting.js';
import {
  type AnyDetector,
  type FitOptions,
  ImageScorer,
  joined,
  looksAtArrays,
  looksAtNetwork,
} from './images/imageDetector.js';
import { checkAborted, checkDataset, type EvaluatedDataset } from './network/batches.js';
import { disposeOf, type Extracted, type ExtractOptions, extractWith } from './network/extract.js';
import { Forward } from './network/forward.js';
import { checkModel, type EvaluatedModel } from './network/model.js';
import { nameOf } from './network/network.js';

export interface EvaluateOptions extends Omit<ExtractOptions, 'onProgress' | 'features'> {
  /** Known images that were not trained on, with labels where accuracy is wanted. */
  id: EvaluatedDataset;
  /** Sets of unknown images, by the names that results shall have. Their labels, if any, play no part. */
  ood: Readonly<Record<string, EvaluatedDataset>>;
  /**
   * Detectors of the network's numbers (`Detector`) and of the network itself (`ImageDetector`). Features are extracted only
   * where one reads them. @default all three: maximum probability, entropic score, minimum distance
   */
  scores?: readonly AnyDetector[];
  /** The images that the network was trained on, for those of `scores` that learn and have not been fitted. They stay fitted. */
  train?: EvaluatedDataset;
  /** Known and unknown images of neither training nor test, for detectors that weigh layers with them. */
  validation?: FitOptions['validation'];
  /** How the network is called in results. @default loss 'unnamed', the model's class name, seed null */
  run?: Partial<RunLabels>;
  onProgress?: (progress: EvaluateProgress) => void;
}

export interface EvaluateProgress {
  /**
   * The data set that is passing through the network: the known one's name, or the name given to an unknown one. Before them
   * the training set's, while detectors learn; its images are no part of the overall ones.
   */
  readonly dataset: string;
  /** Its images so far, and all of them. */
  readonly done: number;
  readonly total: number;
  /** Images of all data sets together. */
  readonly overallDone: number;
  readonly overallTotal: number;
}

/**
 * How well a network tells known from unknown images, for each unknown set and score, and its accuracy on the known ones.
 *
 * Unknown images take the same way as known ones: `transform` should normalise all with the statistics of the set that the
 * network was trained on.
 *
 * Detectors that learn are fitted on `train` first, unless they have been.
 *
 * @throws ERR_ABORTED when `signal` says so; ERR_DATA for an empty set, scores that are not finite (a network that has
 *   diverged), labels that are no class; ERR_SHAPE when the model does not give logits; ERR_ARGUMENT, also where a detector
 *   must learn and there is no `train`, or needs features and the last layer can't be told
 * @example
 * const evaluation = await evaluate(model, {
 *   id: test,
 *   ood: { mnist, noise },
 *   scores: [entropic(), inputMahalanobis()],
 *   train,
 *   transform: (images) => normalize(images, train.statistics),
 * });
 * console.log(evaluation.toString());
 * await evaluation.save('runs/first');
 */
export async function evaluate(model: EvaluatedModel, options: EvaluateOptions): Promise<Evaluation> {
  checkModel(model);
  const { id, ood, scores = standard(), run, onProgress, train, validation, ...rest } = options;
  checkDataset(id, 'id');
  if (typeof ood !== 'object' || ood === null || Object.keys(ood).length === 0)
    throw expected('an object of at least one data set, by names', 'ood', ood);
  for (const [name, dataset] of Object.entries(ood)) checkDataset(dataset, `ood[${JSON.stringify(name)}]`);
  checkScores(scores);
  checkTraining(scores, train, validation);

  const ofArrays = scores.filter(looksAtArrays);
  const sizes = [id, ...Object.values(ood)].map(({ size }) => size);
  const overallTotal = sizes.reduce((sum, size) => sum + size, 0);
  let before = 0;
  using forward = new Forward(model, { ...rest, features: ofArrays.some(readsFeatures) });
  const scorers = scores.filter(looksAtNetwork).map((detector) => new ImageScorer(detector, forward.network, rest));
  const scored = async (dataset: EvaluatedDataset, name: string, use?: (extracted: Extracted) => void) => {
    const parts = scorers.map((): Float64Array[] => []);
    const extracted = await extractWith(
      forward,
      named(dataset, name),
      {
        ...rest,
        onProgress: (progress) => onProgress?.({ ...progress, overallDone: before + progress.done, overallTotal }),
      },
      async (images) => {
        for (const [i, scorer] of scorers.entries()) parts[i]!.push(await scorer.score(images));
      },
    );
    try {
      before += dataset.size;
      use?.(extracted);
      const found = await scoreAll(ofArrays, extracted);
      for (const [i, { name }] of scorers.entries()) found[name] = joined(parts[i]!);
      return { name, scores: Object.fromEntries(scores.map((detector) => [detector.name, found[detector.name]!])) };
    } finally {
      disposeOf(extracted);
    }
  };

  try {
    await fitAll(scores, forward, train, {
      ...rest,
      validation,
      onProgress: (progress) => onProgress?.({ ...progress, overallDone: 0, overallTotal }),
    });
    let accuracy: number | null = null;
    const known = await scored(id, id.name, (extracted) => {
      accuracy = accuracyOf(extracted);
    });
    const unknown: ScoredSet[] = [];
    for (const [name, dataset] of Object.entries(ood)) unknown.push(await scored(dataset, name));
    checkAborted(options.signal);
    return new Evaluation({ id: known, ood: unknown, accuracy, run: { model: nameOf(model), ...run } });
  } finally {
    for (const scorer of scorers) scorer.dispose();
  }
}

/**
 * Second stage: every score of every image.
 * @throws ERR_ARGUMENT, ERR_SHAPE when a score's result is not one number an image
 */
export async function scoreAll(scores: readonly Detector[], arrays: Arrays): Promise<Record<string, Float64Array>> {
  const results: Record<string, Float64Array> = {};
  for (const detector of scores) {
    const values = new Float64Array(rowsOf(arrays));
    const score = (chunk: Arrays, start: number) => {
      const [result, rows] = [detector.score(chunk), rowsOf(chunk)];
      if (!(result instanceof Tensor)) throw expected('a Tensor', `the result of score ${detector.name}`, result);
      if (result.ndim !== 1 || result.shape[0] !== rows)
        throw new IsotorchError(
          'ERR_SHAPE',
          `Expected one number an image, [${rows}], from score ${detector.name} on ${arrays.name} but received [${result.shape.join(', ')}]`,
        );
      values.set(result.to({ device: 'cpu', dtype: 'float64' }).toArraySync() as Float64Array, start);
    };
    await forChunks(arrays, score, detector.rows);
    results[detector.name] = values;
  }
  return results;
}

/**
 * Share of the images whose largest logit is at their label; null without labels, or without logits.
 * @throws ERR_DATA for labels that are no class of the network's
 */
export function accuracyOf({ name, logits, labels }: Arrays): number | null {
  if (logits === null || labels === null) return null;
  const [count, classes] = logits.shape;
  return tidy(() => {
    checkLabels(labels, classes!, name, count!);
    return logits.argmax(1).eq(labels).sum().item() / count!;
  });
}

/** The scores of the IsoMax papers. */
const standard = (): AnyDetector[] => [maxProbability(), entropic(), minDistance()];

function checkScores(scores: readonly AnyDetector[]): void {
  if (!Array.isArray(scores) || scores.length === 0)
    throw expected('an array of scores such as entropic()', 'scores', scores);
  const names = new Set<string>();
  scores.forEach((score: AnyDetector, index) => {
    if (typeof score?.score !== 'function' || typeof score.name !== 'string' || score.name === '')
      throw expected('a score such as entropic()', `scores[${index}]`, score);
    if (names.has(score.name))
      throw new IsotorchError('ERR_ARGUMENT', `Expected scores with different names but ${score.name} comes twice`);
    names.add(score.name);
  });
}

function named(dataset: EvaluatedDataset, name: string): EvaluatedDataset {
  return { name, size: dataset.size, batches: (batchSize) => dataset.batches(batchSize) };
}
