// The energy score: how much unnormalised probability a network sees in an image, summed over its classes.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { tidy } from '../../tensor/index.js';
import type { Detector } from './detector.js';
import { doubles, logitDetector } from './logitScores.js';

/**
 * Minus the free energy: T · ln Σ_j exp(z_j / T). With T → 0 it is the largest logit.
 * Liu et al., "Energy-based Out-of-distribution Detection", 2020 (arXiv:2010.03759, eq. 4); with T = 1 EBO of OpenOOD.
 *
 * @param settings.temperature T, above 0. Default 1
 * @returns a detector of logits; `score`: [N, C] → float64 [N]
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example energy().score(arrays({ logits })); // float64 [N]
 */
export function energy(settings: DetectorSettings<'energy'> = {}): Detector {
  const own = detectorSettings('energy', settings);
  return logitDetector(
    'energy',
    (logits) => tidy(() => doubles(logits, 'energy').div(own.temperature).logsumexp(1).mul(own.temperature)),
    own,
  );
}
