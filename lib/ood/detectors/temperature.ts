// Maximum probability at another temperature: one that is given, or one that is learnt from held-out images. A temperature
// never changes which class is the largest, only how far the probabilities lie apart, and that differs between images.

import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { TrainingArrays } from '../arrays/chunks.js';
import type { Detector, FittedDetector } from './detector.js';
import { checkLabels, eachChunk, LearntDetector } from './learner.js';
import { doubles, logitDetector } from './logitScores.js';
import { type DetectorSettings, detectorSpecs } from './names.js';
import { settled } from './settings.js';

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
  const own = settled('scaled-mps', detectorSpecs['scaled-mps'], settings);
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
  return new LearntDetector({
    name,
    settings: {},
    needs: ['logits'],
    learnsFrom: ['logits', 'labels'],
    shapes: { temperature: [] },
    learn: async (training) => ({
      temperature: torch.tensor(1 / (await mostLikely(training, name)), { dtype: 'float64' }),
    }),
    formula: ({ logits }, { temperature }) => largestProbability(logits.to('float64').div(temperature)),
  });
}

/**
 * 1 / T where the slope of the negative log-likelihood is 0, or the bound beyond which that lies. Newton's steps while they
 * shrink fast within the bracket around it, else its geometric middle, since T is a scale.
 */
async function mostLikely(training: TrainingArrays, name: string): Promise<number> {
  let [low, high, inverse, step] = [1 / hottest, 1 / coldest, 1, Number.POSITIVE_INFINITY];
  if ((await derivatives(training, name, high)).slope <= 0) return high;
  if ((await derivatives(training, name, low)).slope >= 0) return low;
  for (;;) {
    const { slope, curvature } = await derivatives(training, name, inverse);
    if (slope > 0) high = inverse;
    else low = inverse;
    const newton = inverse - slope / curvature;
    const fast = newton > low && newton < high && Math.abs(newton - inverse) <= step / 2;
    const next = fast ? newton : Math.sqrt(low * high);
    step = Math.abs(next - inverse);
    if (step <= 1e-13 * inverse) return next;
    inverse = next;
  }
}

/** Of the mean negative log-likelihood in a = 1 / T: E_p[z] − z_y and Var_p[z], summed over the images. */
async function derivatives(training: TrainingArrays, name: string, inverse: number) {
  let [slope, curvature] = [0, 0];
  await eachChunk(training, ['logits', 'labels'], name, ({ logits, labels }) => {
    checkLabels(labels, logits.shape[1]!, name);
    const p = logits.mul(inverse).softmax(1);
    const mean = p.mul(logits).sum(1, true);
    slope += mean
      .sub(logits.gather(1, labels.unsqueeze(1)))
      .sum()
      .item();
    curvature += p.mul(logits.sub(mean).square()).sum().item();
  });
  return { slope, curvature };
}
