// Area under the threshold curve (Humblot-Renaux et al., "Beyond AUROC & co. for evaluating out-of-distribution detection
// performance", CVPR workshops 2023, arXiv:2306.14658): how well the two kinds separate on the scale of the scores
// themselves, not in their order alone.

import type { Roc } from './roc.js';

/**
 * ½ (area under FPR + area under FNR) over all thresholds of scores brought to [0, 1]. With s the score after
 * (score − min) / (max − min), the areas are in closed form means: ½ (mean of 1 − s over the known images + mean of s over the
 * unknown ones). **Smaller is better**: 0 for two points at the ends, ½ for no separation. Unlike the other figures it changes
 * with an increasing function of the scores, and one outlier moves it.
 *
 * @returns ½ when all scores are equal
 * @example
 * autc(rocCurve([4, 3], [0, 1])); // 0.125
 */
export function autc({ thresholds, idAccepted, oodAccepted, nId, nOod }: Roc): number {
  const last = thresholds.length - 1;
  const lowest = thresholds[last]!;
  const width = thresholds[1]! - lowest;
  if (width === 0) return 0.5;
  // Scores near the ends of the doubles' range are halved first: their difference would be infinite.
  const scale = Number.isFinite(width) ? 1 : 0.5;
  const range = scale * thresholds[1]! - scale * lowest;
  let known = 0;
  let unknown = 0;
  for (let i = 1; i <= last; i++) {
    const share = (scale * thresholds[i]! - scale * lowest) / range;
    known += (1 - share) * (idAccepted[i]! - idAccepted[i - 1]!);
    unknown += share * (oodAccepted[i]! - oodAccepted[i - 1]!);
  }
  return (known / nId + unknown / nOod) / 2;
}
