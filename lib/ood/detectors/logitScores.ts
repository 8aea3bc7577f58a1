// From logits to one number an image: how sure the network is. Larger = more known, for every score. These are the three of
// the IsoMax papers; they need nothing but the logits that the network gives anyway, so they cost no second pass and have
// nothing to tune. The training scale E_s of the IsoMax losses plays no part here: the logits are −distances as they are.
// All are computed and returned in float64: in float32 the largest probability of a confident network is exactly 1 for
// thousands of images, which no threshold can then tell apart.

import { expected, IsotorchError } from '../../errors.js';
import type { Settings } from '../../known/detectorSettings.js';
import { Tensor, tidy, torch } from '../../tensor/index.js';
import { type Detector, needed } from './detector.js';

/**
 * Maximum probability score: max_j p_j with p = softmax(logits), from 1 / C (no idea) to 1 (certain).
 * Hendrycks & Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks", 2017
 * (arXiv:1610.02136).
 *
 * @param logits [N, C], floating point
 * @returns float64 [N] on the same device
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 */
export function mps(logits: Tensor): Tensor {
  return tidy(() => doubles(logits, 'mps').softmax(1).amax(1));
}

/**
 * Entropic score: Σ_j p_j ln p_j with p = softmax(logits), the negative entropy, from −ln C (no idea) to 0 (certain).
 * A class whose probability underflows to 0 adds 0, the limit, and not NaN.
 * Macêdo et al., "Entropic Out-of-Distribution Detection: Seamless Detection of Unknown Examples", 2022
 * (arXiv:2006.04005); `detect.py` in dlmacedo/entropic-out-of-distribution-detection.
 *
 * @param logits [N, C], floating point
 * @returns float64 [N] on the same device
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 */
export function es(logits: Tensor): Tensor {
  return tidy(() => {
    const probabilities = doubles(logits, 'es').softmax(1);
    return torch.xlogy(probabilities, probabilities).sum(1);
  });
}

/**
 * Minimum distance score: max_j logits_j. With an IsoMax or IsoMax+ head this is minus the distance from the features to
 * the nearest class prototype, at most 0; with another head it is the largest logit.
 * Macêdo & Ludermir, "Enhanced Isotropy Maximization Loss", 2021 (arXiv:2105.14399). For other heads the same formula is
 * known as MaxLogit: Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", 2022.
 *
 * @param logits [N, C], floating point
 * @returns float64 [N] on the same device
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE
 */
export function mds(logits: Tensor): Tensor {
  return tidy(() => doubles(logits, 'mds').amax(1));
}

/** `mps` as a detector. What a network with any loss offers. */
export const maxProbability = (): Detector => logitDetector('mps', mps);

/** `es` as a detector. The score that goes with IsoMax. */
export const entropic = (): Detector => logitDetector('es', es);

/** `mds` as a detector. The score that goes with IsoMax+. */
export const minDistance = (): Detector => logitDetector('mds', mds);

/** `mds` under the name that it has with other heads: MaxLogit, Hendrycks et al., 2022. */
export const maxLogit = (): Detector => logitDetector('mls', mds);

/** A detector of logits alone, with nothing to learn. `score`: [N, C] → [N]. */
export function logitDetector(name: string, score: (logits: Tensor) => Tensor, settings: Settings = {}): Detector {
  return { name, settings, needs: ['logits'], score: (arrays) => score(needed(arrays, ['logits'], name).logits) };
}

/** Logits in float64. @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for what are no logits */
export function doubles(logits: Tensor, caller: string): Tensor {
  if (!(logits instanceof Tensor)) throw expected('a Tensor of logits [N, C]', `${caller}’s logits`, logits);
  const [rows, classes] = logits.shape;
  if (logits.ndim !== 2 || rows! < 1 || classes! < 1)
    throw new IsotorchError(
      'ERR_SHAPE',
      `${caller}: expected logits of shape [N, C], neither empty, received [${logits.shape.join(', ')}]`,
    );
  if (!/^b?float/.test(logits.dtype))
    throw new IsotorchError('ERR_DTYPE', `${caller}: expected floating-point logits, received ${logits.dtype}`);
  return logits.to('float64');
}
