// Maximum probability at another temperature: one that is given, or one that is learnt from held-out images. A temperature
// never changes which class is the largest, only how far the probabilities lie apart, and that differs between images.

import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { checkLabels } from '../arrays/classLabels.js';
import { mostLikelyBeta } from '../calibration/mostLikely.js';
import type { Detector, FittedDetector } from './detector.js';
import { fittedDetector } from './fitted.js';
import { doubles, logitDetector } from './logitScores.js';

const largestProbability = (logits: Tensor): Tensor => logits.softmax(1).amax(1);

/**
 * max_j softmax(z / T)_j with a given T. With the default this is ODIN without its perturbation: Liang et al., "Enhancing The
 * Reliability of Out-of-distribution Image Detection in Neural Networks", 2018 (arXiv:1706.02690).
 *
 * @param settings.temperature T, above 0. Default 1000
 * @returns a detector of logits; `score`: [N, C] → float64 [N]
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example scaledMaxProbability({ temperature: 10 }).score(arrays({ logits }));
 */
export function scaledMaxProbability(settings: DetectorSettings<'scaled-mps'> = {}): Detector {
  const own = detectorSettings('scaled-mps', settings);
  const score = (logits: Tensor) => tidy(() => largestProbability(doubles(logits, 'scaled-mps').div(own.temperature)));
  return logitDetector('scaled-mps', score, own);
}

/** Between these the temperature is looked for; it is the first when all images are classified rightly. */
const [coldest, hottest] = [1e-3, 1e3];

/**
 * max_j softmax(z / T)_j with the T that makes the labels of held-out known images most likely: the least
 * −(1 / N) Σ_i ln softmax(z_i / T)[y_i], found by Newton's method on 1 / T, in which it is convex.
 * Guo et al., "On Calibration of Modern Neural Networks", 2017 (arXiv:1706.04599); TempScale of OpenOOD.
 *
 * Fit it on images that the network was not trained on. `fit` reads logits and labels, `score` logits.
 *
 * @returns a detector of logits; `score`: [N, C] → float64 [N]
 * @example
 * const detector = temperatureScaling();
 * await detector.fit(arrays({ logits, labels }));
 */
export function temperatureScaling(): FittedDetector {
  const name = 'temp-scale';
  return fittedDetector({
    name,
    settings: {},
    needs: ['logits'],
    learnsFrom: ['logits', 'labels'],
    shapes: { temperature: [] },
    learn: async (pass, training) => {
      await pass(({ logits, labels }) => checkLabels(labels, logits.shape[1]!, name));
      const beta = await mostLikelyBeta(training, [1 / hottest, 1 / coldest]);
      return { temperature: torch.tensor(1 / beta, { dtype: 'float64' }) };
    },
    score: ({ logits }, { temperature }) => largestProbability(logits.to('float64').div(temperature)),
  });
}
