// The square root of a pseudo-inverse, by which Mahalanobis distances become plain ones: fᵀ Σ⁺ f = ‖f A‖², A = V diag(λ^−½).
// Directions in which the training features do not vary (singular covariance) take no part, as with `scipy.linalg.pinvh`,
// which scikit-learn's EmpiricalCovariance uses, instead of counting with one over rounding noise.

import { IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';

const EPSILON = 2 ** -52;

/**
 * A with A Aᵀ = Σ⁺. Eigenvalues up to D·2⁻⁵²·λ_max count as zero, and so do those up to (D·2⁻⁵²·magnitude)², the variance
 * that rounding alone gives to constant features.
 *
 * @param covariance [D, D] float64, symmetric
 * @param magnitude of the features
 * @returns [D, D] float64, with columns of zeros for directions left out
 * @throws ERR_DATA for a covariance that is not finite, of features that are not, or whose squares overflow
 */
export function whitening(covariance: Tensor, magnitude: number): Tensor {
  const size = covariance.shape[0]!;
  if (!covariance.isfinite().all().item())
    throw new IsotorchError(
      'ERR_DATA',
      'Expected finite features but some training images have NaN, infinities or numbers too large to square',
    );
  const noise = (size * EPSILON * magnitude) ** 2;
  const { L, info } = torch.linalg.choleskyEx(covariance);
  if (info.item() === 0) {
    // A = L⁻ᵀ will do, at a quarter of the cost, where no eigenvalue can be near the limit: all are at least 1 / ‖L⁻¹‖²_F.
    const identity = torch.eye(size, { dtype: 'float64', device: L.device });
    const inverse = torch.linalg.solveTriangular(L, identity, { upper: false });
    const limit = Math.max(size * EPSILON * covariance.trace().item(), noise);
    if (1 / inverse.square().sum().item() > 1e3 * limit) return inverse.t().contiguous();
  }
  const { eigenvalues, eigenvectors } = torch.linalg.eigh(covariance);
  const counts = eigenvalues.gt(
    eigenvalues
      .amax()
      .mul(size * EPSILON)
      .clampMin(noise),
  );
  const scale = torch.where(counts, eigenvalues, eigenvalues.onesLike()).rsqrt().mul(counts);
  return eigenvectors.mul(scale);
}
