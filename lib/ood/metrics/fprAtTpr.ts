// "FPR at 95 % TPR" is printed in every paper and means two things. Which images are the positives is therefore part of
// each name here: known ones in `fprAtTprId`, unknown ones in `fprAtTprOod`. Smaller is better.

import { checkedLevel, firstReaching } from './operatingPoint.js';
import type { Roc } from './roc.js';

/**
 * Share of the unknown images that are accepted by the threshold that keeps at least `level` of the **known** ones:
 * 1 − `tnrAtTpr`. What the papers of IsoMax, ODIN, Mahalanobis and OpenOOD 1.0 mean by FPR at 95 % TPR.
 *
 * @param level above 0, up to 1
 * @throws ERR_ARGUMENT for another level
 * @example
 * fprAtTprId(rocCurve([3, 2, 2, 1], [2, 0]), 0.75); // 0.5: the threshold is 2
 */
export function fprAtTprId({ idAccepted, oodAccepted, nId, nOod }: Roc, level: number): number {
  return oodAccepted[firstReaching(checkedLevel(level), idAccepted.length, (i) => idAccepted[i]! / nId)]! / nOod;
}

/**
 * Share of the known images that are rejected by the threshold that rejects at least `level` of the **unknown** ones. What
 * OpenOOD 1.5, pytorch-ood and the code of Outlier Exposure mean. Among the thresholds that reach the level it is the lowest,
 * so a group of equal scores is rejected whole.
 *
 * @param level above 0, up to 1
 * @throws ERR_ARGUMENT for another level
 * @example
 * fprAtTprOod(rocCurve([3, 2, 2, 1], [2, 0]), 0.75); // 0.75: 2 of 2 are rejected from a score above 2
 */
export function fprAtTprOod({ idAccepted, oodAccepted, nId, nOod }: Roc, level: number): number {
  const last = oodAccepted.length - 1;
  const rejected = firstReaching(checkedLevel(level), last + 1, (i) => (nOod - oodAccepted[last - i]!) / nOod);
  return (nId - idAccepted[last - rejected]!) / nId;
}
