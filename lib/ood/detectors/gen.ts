// GEN: an entropy that listens to the small probabilities. A sure network has almost none besides the largest.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy } from '../../tensor/index.js';
import type { Detector } from './detector.js';
import { doubles, logitDetector } from './logitScores.js';

/**
 * Minus the generalised entropy: −Σ p_j^γ (1 − p_j)^γ over the M largest probabilities p = softmax(z).
 * Liu et al., "GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection", 2023 (CVPR);
 * `gen_postprocessor.py` in Jingkang50/OpenOOD.
 *
 * @param settings.gamma γ, above 0 and up to 1. Default 0.1
 * @param settings.top M; all classes where there are fewer. Default 100
 * @returns a detector of logits; `score`: [N, C] → float64 [N]
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example gen({ gamma: 0.1, top: 10 }).score(arrays({ logits })); // float64 [N], at most 0
 */
export function gen(settings: DetectorSettings<'gen'> = {}): Detector {
  const own = detectorSettings('gen', settings);
  return logitDetector('gen', (logits) => tidy(() => entropyOf(doubles(logits, 'gen'), own).neg()), own);
}

function entropyOf(logits: Tensor, { gamma, top }: { gamma: number; top: number }): Tensor {
  const { values: largest, indices } = logits.max(1, true);
  const shares = logits.sub(largest).exp();
  // 1 − p of the largest as the sum of the others: the difference would be 0 for a network that is surer than 1 − 10⁻¹⁶,
  // and 0^0.1 is far from (10⁻¹⁷)^0.1.
  const others = shares.scatter(1, indices, 0).sum(1, true);
  const all = others.add(1);
  const complements = all.sub(shares).scatter(1, indices, others);
  const terms = shares.mul(complements).div(all.square()).pow(gamma);
  if (top >= terms.shape[1]!) return terms.sum(1);
  return terms.gather(1, shares.topk(top, 1).indices).sum(1);
}
