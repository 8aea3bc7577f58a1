// The temperature under which held-out labels are most likely. The negative log-likelihood is convex in β = 1 / T, so there is
// one, and Newton's method within a bracket finds it.

import type { TrainingArrays } from '../arrays/chunks.js';
import { likelihood } from './objectives.js';

/**
 * β = 1 / T of the least −mean ln softmax(β z)_y, to about 1e-13; the end of the range beyond which it lies, if it does.
 * Where Newton's step leaves the bracket or shrinks too slowly, the bracket's geometric middle is next, since T is a scale.
 */
export async function mostLikelyBeta(heldOut: TrainingArrays, range: readonly [number, number]): Promise<number> {
  let [low, high] = range;
  if ((await likelihood(heldOut, low)).slope >= 0) return low;
  if ((await likelihood(heldOut, high)).slope <= 0) return high;
  for (let [beta, step] = [1, Number.POSITIVE_INFINITY]; ; ) {
    const { slope, curvature } = await likelihood(heldOut, beta);
    if (slope === 0) return beta;
    if (slope < 0) low = beta;
    else high = beta;
    const newton = beta - slope / curvature;
    const fast = newton > low && newton < high && Math.abs(newton - beta) <= step / 2;
    const next = fast ? newton : Math.sqrt(low * high);
    step = Math.abs(next - beta);
    if (step <= 1e-13 * beta || next === low || next === high) return next;
    beta = next;
  }
}
