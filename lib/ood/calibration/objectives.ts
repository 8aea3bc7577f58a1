// What a temperature is judged by: the mean negative log-likelihood of held-out labels, with its slope and curvature, and the
// expected calibration error. In float64 and in chunks, so that a million images take the memory of a few thousand.

import type { Arrays } from '../arrays/arrays.js';
import { forChunks, type TrainingArrays } from '../arrays/chunks.js';
import { needed } from '../detectors/detector.js';
import { addGaps } from '../metrics/calibration.js';

export interface Likelihood {
  /** −mean ln p_y */
  readonly nll: number;
  /** Its first and second derivative with respect to β = 1 / T. */
  readonly slope: number;
  readonly curvature: number;
}

/**
 * −mean ln softmax(β z)_y, which is convex in β: its slope is mean(E_p[z] − z_y), its curvature the mean variance of z
 * under p.
 */
export async function likelihood(arrays: TrainingArrays, beta: number): Promise<Likelihood> {
  const sums = [0, 0, 0];
  const n = await forChunks(arrays, (chunk) => {
    const { logits, labels } = needed(chunk, ['logits', 'labels'], 'calibration');
    const z = logits.to('float64');
    const shifted = z.sub(z.amax(1, true)); // changes none of the three, and keeps squares small
    const logs = shifted.mul(beta).logSoftmax(1);
    const p = logs.exp();
    const mean = p.mul(shifted).sum(1, true);
    const label = labels.unsqueeze(1);
    const parts = [
      logs.gather(1, label).neg(),
      mean.sub(shifted.gather(1, label)),
      p.mul(shifted.sub(mean).square()).sum(1),
    ];
    parts.forEach((part, i) => {
      sums[i]! += part.sum().item();
    });
  });
  const [nll, slope, curvature] = sums.map((sum) => sum / n) as [number, number, number];
  return { nll, slope, curvature };
}

/**
 * Σ_bins |Σ_{i in bin} (right_i − confidence_i)| / n with confidence = max softmax(z / T) and equal bins (lower, upper].
 * Guo et al., "On Calibration of Modern Neural Networks", 2017 (arXiv:1706.04599), equation 3.
 */
export async function calibrationError(arrays: Arrays, temperature: number, bins: number): Promise<number> {
  const gaps = new Float64Array(bins);
  const n = await forChunks(arrays, (chunk) => {
    const { logits, labels } = needed(chunk, ['logits', 'labels'], 'calibration');
    const z = logits.to('float64');
    const confidence = z.div(temperature).softmax(1).amax(1);
    const right = z.argmax(1).eq(labels).to('uint8');
    addGaps(gaps, confidence.toArraySync() as Float64Array, right.toArraySync() as Uint8Array);
  });
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / n;
}
