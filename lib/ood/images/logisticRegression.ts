// Logistic regression with two classes and few features, to the end: Newton's method on the function that scikit-learn's
// LogisticRegression minimises, so that weights are determined by the data and not by a stopping rule.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';

/**
 * The minimum of `½‖w‖² + C·Σᵢ log(1 + exp(−yᵢ (w·xᵢ + b)))`, y = 1 or −1; the intercept b has no penalty. Features are
 * standardised inside, with the penalty as it is outside: the numbers stay good for features of any size.
 *
 * @param features float64 [N, L]
 * @param positive float64 [N]: 1 for y = 1, 0 for y = −1; both must occur
 * @returns weights [L] and bias [1], float64, in the scope around
 * @throws ERR_DATA for values that are not finite, or a single class
 * @example
 * const { weights, bias } = logisticRegression(scores, isKnown);
 * const logOdds = scores.matmul(weights).add(bias);
 */
export function logisticRegression(features: Tensor, positive: Tensor, C = 1): { weights: Tensor; bias: Tensor } {
  return tidy(() => {
    const [count, size] = features.shape as [number, number];
    const share = positive.mean().item();
    if (!(share > 0 && share < 1))
      throw new IsotorchError(
        'ERR_DATA',
        'Expected known and unknown images for a logistic regression, received one kind',
      );
    if (!features.isfinite().all().item())
      throw new IsotorchError(
        'ERR_DATA',
        'Expected finite features for a logistic regression, received NaN or infinities',
      );
    const centre = features.mean([0]);
    const spread = features.sub(centre).pow(2).mean([0]).sqrt();
    const scale = torch.where(spread.eq(0), torch.onesLike(spread), spread);
    const x = torch.cat([features.sub(centre).div(scale), torch.ones([count, 1], { dtype: 'float64' })], 1);
    const signs = positive.mul(2).sub(1);
    // In standardised coordinates w_j = u_j / scale_j; the last coordinate is the intercept.
    const penalty = torch.cat([scale.pow(-2), torch.zeros([1], { dtype: 'float64' })]);
    const cost = (at: Tensor): number =>
      tidy(() => at.pow(2).mul(penalty).sum().mul(0.5).add(x.matmul(at).mul(signs).logSigmoid().sum().mul(-C)).item());

    let at: Tensor = torch.zeros([size + 1], { dtype: 'float64' });
    let best = cost(at);
    for (let iteration = 0; iteration < 200; iteration++) {
      const p = x.matmul(at).sigmoid();
      const gradient = x.t().matmul(p.sub(positive)).mul(C).add(penalty.mul(at));
      const curvature = x
        .t()
        .matmul(x.mul(p.mul(p.neg().add(1)).unsqueeze(1)))
        .mul(C)
        .add(penalty.diag());
      const step = torch.linalg.lstsq(curvature, gradient.unsqueeze(1), null, { driver: 'gelsd' }).solution.squeeze(1);
      const gain = step.dot(gradient).item(); // twice what the quadratic model promises
      let length = 1;
      let next = at.sub(step);
      let found = cost(next);
      while (!(found <= best) && length > 1e-10) {
        length /= 2;
        next = at.sub(step.mul(length));
        found = cost(next);
      }
      if (!(found <= best)) break; // rounding has the last word
      at = next;
      best = found;
      if (gain <= 1e-24 * (1 + best)) break;
    }
    const weights = at.narrow(0, 0, size).div(scale);
    return { weights, bias: at.narrow(0, size, 1).sub(weights.dot(centre)) };
  });
}
