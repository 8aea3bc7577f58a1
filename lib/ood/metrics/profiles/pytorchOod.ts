// The figures of pytorch-ood's `OODMetrics` (kkirchheim/pytorch-ood, with torchmetrics), unknown images as positives and
// outlier scores, which are minus ours, in float32. torchmetrics passes all scores through a sigmoid when any lies outside
// [0, 1] (Lightning-AI/torchmetrics#2819): in float32 that is 1 above 16.6, so large scores, such as Mahalanobis distances,
// become equal and the AUROC 0.5. Float32 results come from the same operators of LibTorch, so that they round alike.

import { tidy, torch } from '../../../tensor/index.js';
import { checkedScores, type Roc, rocCurve } from '../roc.js';

export interface PytorchOodMetrics {
  readonly AUROC: number;
  /** Smaller is better; NaN for constant scores. */
  readonly AUTC: number;
  readonly 'AUPR-IN': number;
  readonly 'AUPR-OUT': number;
  /** Share of the known images flagged at the first threshold that finds 95 % of the unknown ones. */
  readonly FPR95TPR: number;
}

export function pytorchOod(idScores: ArrayLike<number>, oodScores: ArrayLike<number>): PytorchOodMetrics {
  const outlier = (scores: Float64Array): Float32Array => Float32Array.from(scores, (score) => -score).sort();
  const id = outlier(checkedScores(idScores, 'idScores'));
  const ood = outlier(checkedScores(oodScores, 'oodScores'));
  const negated = (scores: Float32Array): Float32Array => scores.map((score) => -score);
  const out = curve(ood, id);
  const { fpr, tpr } = rates(out);
  return {
    AUROC: area(tpr, fpr),
    AUTC: autc(id, ood),
    'AUPR-IN': precisionRecallArea(curve(negated(id), negated(ood))),
    'AUPR-OUT': precisionRecallArea(out),
    FPR95TPR: fpr[tpr.findIndex((rate) => rate >= Math.fround(0.95))]!,
  };
}

/** torchmetrics' counts: those of the scores, or of their sigmoids. The positives take the place of known images. */
function curve(positives: Float32Array, negatives: Float32Array): Roc {
  const isOutside = (score: number): boolean => !(score >= 0 && score <= 1);
  if (!positives.some(isOutside) && !negatives.some(isOutside)) return rocCurve(positives, negatives);
  const sigmoid = (scores: Float32Array): Float32Array =>
    tidy(() => torch.tensor(scores).sigmoid().toArraySync() as Float32Array);
  return rocCurve(sigmoid(positives), sigmoid(negatives));
}

function rates({ idAccepted, oodAccepted, nId, nOod }: Roc): { fpr: Float32Array; tpr: Float32Array } {
  return {
    fpr: Float32Array.from(oodAccepted, (count) => count / nOod),
    tpr: Float32Array.from(idAccepted, (count) => count / nId),
  };
}

/** From recall 1 down to 0, where precision is 1 by definition. */
function precisionRecallArea({ idAccepted, oodAccepted, nId }: Roc): number {
  const precision = Float32Array.from(idAccepted, (right, i) => (i === 0 ? 1 : right / (right + oodAccepted[i]!)));
  const recall = Float32Array.from(idAccepted, (right) => right / nId);
  return -area(precision.reverse(), recall.reverse());
}

function area(y: Float32Array, x: Float32Array): number {
  return tidy(() => torch.trapezoid(torch.tensor(y), torch.tensor(x)).item() as number);
}

function autc(id: Float32Array, ood: Float32Array): number {
  const lowest = Math.min(id[0]!, ood[0]!);
  const range = Math.fround(Math.max(id.at(-1)!, ood.at(-1)!) - lowest);
  const scaled = (score: number): number => Math.fround(Math.fround(score - lowest) / range);
  const mean = (scores: Float32Array): number => tidy(() => torch.tensor(scores).mean().item() as number);
  const found = mean(id.map(scaled));
  const missed = mean(ood.map((score) => 1 - scaled(score)));
  return Math.fround(Math.fround(found + missed) / 2);
}
