// The words that reports use for losses, scores and metrics, and which score goes with which loss. Names that are not
// known here are shown as they came, so that other people's losses and scores need no entry.

import type { MetricName } from './types.js';

const LOSSES: Readonly<Record<string, string>> = {
  softmax: 'SoftMax',
  isomax: 'IsoMax',
  isomaxplus: 'IsoMax+',
  dismax: 'DisMax',
  logitnorm: 'LogitNorm',
  godin: 'G-ODIN',
};

const SCORES: Readonly<Record<string, { readonly title: string; readonly meaning: string }>> = {
  mps: {
    title: 'maximum probability',
    meaning: 'the probability of the most likely class: 1 says “certain”, 1 divided by the number of classes “no idea”',
  },
  es: {
    title: 'entropic score',
    meaning:
      'the negative entropy of the class probabilities: 0 says “certain”, −ln(number of classes), which is −2.3 for ten, “no idea”',
  },
  mds: {
    title: 'minimum distance',
    meaning:
      'the largest logit, which with IsoMax losses is minus the distance to the nearest class prototype: the lower, the farther from every class',
  },
  mmls: { title: 'maximum and mean logit score', meaning: 'the largest logit and the mean of all, added' },
  mmles: {
    title: 'maximum and mean logit and entropic score',
    meaning: 'the largest logit, the mean of all and the entropic score, added: DisMax’s own',
  },
  mmleps: {
    title: 'maximum and mean logit, entropic and probability score',
    meaning: 'mmles and the largest probability, added',
  },
  energy: { title: 'energy', meaning: 'ln Σ exp(logit), minus the free energy' },
  gen: { title: 'generalised entropy score', meaning: 'the negative generalised entropy of the class probabilities' },
};

/**
 * The score of each loss that its authors recommend: the maximum probability is what a plain network offers, IsoMax goes
 * with the entropic score, IsoMax+ with the minimum distance, DisMax with the sum of maximum and mean logit and entropic score.
 */
const CUSTOMARY: Readonly<Record<string, string>> = {
  softmax: 'mps',
  isomax: 'es',
  isomaxplus: 'mds',
  dismax: 'mmles',
  logitnorm: 'mps',
  godin: 'mps',
};

export const METRIC_NAMES: Readonly<Record<MetricName, { readonly short: string; readonly long: string }>> = {
  accuracy: { short: 'accuracy', long: 'Share of the known images that are classified rightly.' },
  auroc: {
    short: 'AUROC',
    long: 'How often a known image scores above an unknown one, of all pairs. 50 % is guessing.',
  },
  tnrAtTpr95: {
    short: 'TNR@TPR95',
    long: 'Share of the unknown images that are rejected when 95 % of the known ones are accepted.',
  },
  dtacc: {
    short: 'DTACC',
    long: 'Detection accuracy: rightly accepted and rightly rejected, averaged, at the best threshold. 50 % is guessing.',
  },
  auprIn: {
    short: 'AUPR-in',
    long: 'Area under precision and recall of finding known images. Depends on how many there are of either kind.',
  },
  auprOut: {
    short: 'AUPR-out',
    long: 'Area under precision and recall of finding unknown images. Depends on how many there are of either kind.',
  },
};

/** `isomaxplus` → `IsoMax+`. */
export function lossTitle(loss: string): string {
  return Object.hasOwn(LOSSES, loss) ? LOSSES[loss]! : loss;
}

/** `es` → `entropic score`. */
export function scoreTitle(score: string): string {
  return Object.hasOwn(SCORES, score) ? SCORES[score]!.title : score;
}

/** What to write at an axis of its values: `minimum distance` alone would be taken for a distance. */
export function scoreAxis(score: string): string {
  const title = scoreTitle(score);
  return title.endsWith('score') ? title : `${title} score`;
}

/** A clause that says what the values of a score mean; undefined for scores that are not ours. */
export function scoreMeaning(score: string): string | undefined {
  return Object.hasOwn(SCORES, score) ? SCORES[score]!.meaning : undefined;
}

/** The score to show for a loss, out of those that were computed: the customary one, else the first. */
export function customaryScore(loss: string, scores: readonly string[]): string | undefined {
  const wanted = Object.hasOwn(CUSTOMARY, loss) ? CUSTOMARY[loss]! : undefined;
  return wanted !== undefined && scores.includes(wanted) ? wanted : scores[0];
}
