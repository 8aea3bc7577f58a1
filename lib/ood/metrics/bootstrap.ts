// How sure the figures are: percentile intervals over bootstrap resamples of the images, and a test of whether one method is
// better than another on the same images. Known and unknown images are drawn apart, so the sizes stay. The scores are sorted
// once; a resample is how often each image is drawn (resample.ts) and one pass over the sorted scores. Resample r has a random
// stream of its own, named by the seed and r, so results don't depend on the machine, or on what else is computed.

import { setImmediate as turn } from 'node:timers/promises';
import { wholeNumber } from '../../arguments.js';
import { expected, IsotorchError } from '../../errors.js';
import { autc } from './autc.js';
import { fprAtTprId, fprAtTprOod } from './fprAtTpr.js';
import { auprIn, auprOut, auroc, dtacc, tnrAtTpr } from './metrics.js';
import { averagePrecisionIn, averagePrecisionOut } from './precisionRecall.js';
import { Resampler } from './resample.js';
import { ResampledAuroc, randomOf } from './resampledAuroc.js';
import { checkedScores, type Roc } from './roc.js';
import { SortedScores } from './sortedScores.js';

const FIGURES = {
  auroc,
  tnrAtTpr95: (roc) => tnrAtTpr(roc, 0.95),
  dtacc,
  auprIn,
  auprOut,
  averagePrecisionIn,
  averagePrecisionOut,
  fprAtTprId95: (roc) => fprAtTprId(roc, 0.95),
  fprAtTprOod95: (roc) => fprAtTprOod(roc, 0.95),
  autc,
} satisfies Record<string, (roc: Roc) => number>;

/** The fields of `measureAll` but for the sizes. */
export type BootstrapMetric = keyof typeof FIGURES;

export interface BootstrapOptions<M extends BootstrapMetric = BootstrapMetric> {
  /** @default ['auroc'] */
  readonly metrics?: readonly M[];
  /** How many resamples; at least 1. @default 1000 */
  readonly resamples?: number;
  /** Of the intervals, above 0 and below 1. @default 0.95 */
  readonly confidence?: number;
  /** Equal seeds give equal results. @default 0 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface BootstrapInterval {
  /** Of the scores themselves. */
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Standard deviation over the resamples. */
  readonly standardError: number;
}

export interface PairedDifference extends BootstrapInterval {
  /**
   * Two-sided: twice the share of the resamples in which the difference has the other sign or is 0, both counted one higher,
   * so never below 2 / (resamples + 1); at most 1.
   */
  readonly pValue: number;
}

/** How an outcome was got, beside it. */
export interface Bootstrapped {
  readonly nId: number;
  readonly nOod: number;
  readonly resamples: number;
  readonly confidence: number;
  readonly seed: number;
}

/** A method's scores; larger = more known. */
export interface ScorePair {
  readonly id: ArrayLike<number>;
  readonly ood: ArrayLike<number>;
}

/**
 * Percentile confidence intervals (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13): the figure of
 * each resample, and the quantiles (1 ∓ confidence) / 2 of these. They say how far the figures would move with other images
 * of the same kinds, not with another training.
 *
 * @throws ERR_DATA for empty lists, NaN and infinities (with the index); ERR_ARGUMENT; ERR_ABORTED
 * @example
 * const { auroc } = await bootstrap(idScores, oodScores, { seed: 1 });
 * console.log(auroc.estimate, auroc.low, auroc.high);
 */
export async function bootstrap<M extends BootstrapMetric = 'auroc'>(
  idScores: ArrayLike<number>,
  oodScores: ArrayLike<number>,
  options: BootstrapOptions<M> = {},
): Promise<Record<M, BootstrapInterval> & Bootstrapped> {
  const plan = checked(options);
  const scores = SortedScores.of(checkedScores(idScores, 'idScores'), checkedScores(oodScores, 'oodScores'));
  const [values] = await resample(plan, [scores]);
  return outcome(plan, scores, (m) => interval(figure(plan, m, scores.roc), values![m]!, plan.confidence));
}

/**
 * Whether `second` is better than `first` on the same images: intervals of the difference of their figures (second − first)
 * over resamples of the images, of which both methods get the same. Much sharper than a look at two intervals, since what
 * makes an image hard is mostly common to both.
 *
 * @param first scores of the same images in the same order as those of `second`
 * @throws as `bootstrap`; ERR_SHAPE when the two don't have as many scores
 * @example
 * const { auroc } = await pairedBootstrap({ id: mpsId, ood: mpsOod }, { id: esId, ood: esOod });
 * if (auroc.low > 0) console.log(`better by ${auroc.estimate}, p = ${auroc.pValue}`);
 */
export async function pairedBootstrap<M extends BootstrapMetric = 'auroc'>(
  first: ScorePair,
  second: ScorePair,
  options: BootstrapOptions<M> = {},
): Promise<Record<M, PairedDifference> & Bootstrapped> {
  const plan = checked(options);
  const [a, b] = ([first, second] as const).map((pair, i) => {
    const name = i === 0 ? 'first' : 'second';
    if (typeof pair !== 'object' || pair === null) throw expected('an object of scores id and ood', name, pair);
    return SortedScores.byImage(checkedScores(pair.id, `${name}.id`), checkedScores(pair.ood, `${name}.ood`));
  }) as [SortedScores, SortedScores];
  if (a.nId !== b.nId || a.nOod !== b.nOod)
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected scores of the same images but first has ${a.nId} known and ${a.nOod} unknown ones, ` +
        `second ${b.nId} and ${b.nOod}`,
    );
  const [of, from] = await resample(plan, [b, a]);
  return outcome(plan, a, (m) => {
    const estimate = figure(plan, m, b.roc) - figure(plan, m, a.roc);
    const differences = of![m]!.map((value, r) => value - from![m]![r]!);
    const share = (isOther: (value: number) => boolean): number =>
      (differences.filter(isOther).length + 1) / (plan.resamples + 1);
    const oneSided = Math.min(
      share((value) => value <= 0),
      share((value) => value >= 0),
    );
    return { ...interval(estimate, differences, plan.confidence), pValue: Math.min(1, 2 * oneSided) };
  });
}

type Plan<M extends BootstrapMetric> = Required<Omit<BootstrapOptions<M>, 'signal'>> & Pick<BootstrapOptions, 'signal'>;

function checked<M extends BootstrapMetric>(options: BootstrapOptions<M>): Plan<M> {
  const {
    metrics = ['auroc' as M], // the default of M too
    resamples = 1000,
    confidence = 0.95,
    seed = 0,
  } = options;
  if (!Array.isArray(metrics) || metrics.length === 0 || !metrics.every((name) => Object.hasOwn(FIGURES, name)))
    throw expected(`an array of ${Object.keys(FIGURES).join(', ')}`, 'metrics', metrics);
  wholeNumber(resamples, 'resamples');
  if (!(confidence > 0 && confidence < 1)) throw expected('a fraction above 0 and below 1', 'confidence', confidence);
  wholeNumber(seed, 'seed', 0);
  return { ...options, metrics, resamples, confidence, seed };
}

const figure = ({ metrics }: Plan<BootstrapMetric>, m: number, roc: Roc): number => FIGURES[metrics[m]!](roc);

/** For each method and each of its figures, the values over the resamples. Gives the event loop a turn every few milliseconds. */
async function resample(plan: Plan<BootstrapMetric>, methods: readonly SortedScores[]): Promise<Float64Array[][]> {
  const { metrics, resamples, seed, signal } = plan;
  const { nId, nOod } = methods[0]!;
  const values = methods.map(() => metrics.map(() => new Float64Array(resamples)));
  const [idResampler, oodResampler] = [new Resampler(nId), new Resampler(nOod)];
  if (metrics.every((name) => name === 'auroc')) {
    const aurocs = methods.map((scores) => new ResampledAuroc(scores, idResampler, oodResampler));
    try {
      const chunk = Math.ceil(1e7 / (nId + nOod)); // some ten milliseconds of work
      for (let r = 0; r < resamples; r += chunk) {
        checkAborted(signal, r);
        aurocs.forEach((auroc, method) => {
          const some = auroc.of(seed, r, Math.min(chunk, resamples - r));
          for (const column of values[method]!) column.set(some, r);
        });
        await turn();
      }
    } finally {
      for (const auroc of aurocs) auroc[Symbol.dispose]();
    }
    return values;
  }
  const [id, ood] = [new Uint8Array(nId), new Uint8Array(nOod)];
  let last = performance.now();
  for (let r = 0; r < resamples; r++) {
    checkAborted(signal, r);
    const random = randomOf(seed, r);
    idResampler.draw(random, id);
    oodResampler.draw(random, ood);
    methods.forEach((scores, method) => {
      const roc = scores.resampled(id, ood);
      values[method]!.forEach((column, m) => {
        column[r] = figure(plan, m, roc);
      });
    });
    if (performance.now() - last < 8) continue;
    await turn();
    last = performance.now();
  }
  return values;
}

function checkAborted(signal: AbortSignal | undefined, done: number): void {
  if (signal?.aborted) throw new IsotorchError('ERR_ABORTED', `The bootstrap was stopped after ${done} resamples`);
}

function interval(estimate: number, values: Float64Array, confidence: number): BootstrapInterval {
  const ordered = values.slice().sort();
  const quantile = (q: number): number => {
    const position = q * (ordered.length - 1);
    const below = Math.floor(position);
    const next = ordered[Math.min(below + 1, ordered.length - 1)]!;
    return ordered[below]! + (position - below) * (next - ordered[below]!);
  };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    estimate,
    low: quantile((1 - confidence) / 2),
    high: quantile((1 + confidence) / 2),
    standardError: Math.sqrt(squares / Math.max(1, values.length - 1)),
  };
}

function outcome<M extends BootstrapMetric, I>(
  { metrics, resamples, confidence, seed }: Plan<M>,
  { nId, nOod }: SortedScores,
  each: (m: number) => I,
): Record<M, I> & Bootstrapped {
  const figures = Object.fromEntries(metrics.map((name, m) => [name, each(m)])) as Record<M, I>;
  return { ...figures, nId, nOod, resamples, confidence, seed };
}
