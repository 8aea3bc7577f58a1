// Class means and one covariance for all classes, from features that come batch by batch: sums and second moments in float64
// about a shift near the mean, so that nothing is lost where means are large against the spread. The inverse covariance is
// kept as a whitening: distances are sums of squares and can't be negative.

import { IsotorchError } from '../../errors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';

/** Float64. */
export interface Gaussian {
  /** Near the mean of all features, [D]. */
  readonly shift: Tensor;
  /** W [D, R] with W·Wᵀ the pseudo-inverse of the covariance; R is its rank. */
  readonly whitening: Tensor;
  /** Whitened class means [K, R], of the classes that have samples. */
  readonly centres: Tensor;
}

/** Directions whose variance is below this part of the largest have none: they are rounding errors. */
const NO_VARIANCE = 1e-12;

export class GaussianFit {
  readonly #classes: number;
  #shift: Tensor | undefined;
  #counts!: Tensor;
  #sums!: Tensor;
  #moment!: Tensor;

  constructor(classes: number) {
    this.#classes = classes;
  }

  /**
   * @param features [N, D]
   * @param labels int64 [N]; each from 0 to classes − 1
   */
  add(features: Tensor, labels: Tensor): void {
    tidy(() => {
      const rows = features.to('float64');
      if (this.#shift === undefined) {
        const { device, shape } = rows;
        const zeros = (size: number[]) => torch.zeros(size, { dtype: 'float64', device }).keep();
        this.#shift = rows.mean([0]).keep();
        this.#counts = zeros([this.#classes, 1]);
        this.#sums = zeros([this.#classes, shape[1]!]);
        this.#moment = zeros([shape[1]!, shape[1]!]);
      }
      const about = rows.sub(this.#shift);
      const classes = labels.to(rows.device);
      this.#counts.indexAdd_(0, classes, torch.ones([rows.shape[0]!, 1], { dtype: 'float64', device: rows.device }));
      this.#sums.indexAdd_(0, classes, about);
      this.#moment.addmm_(about.t(), about);
    });
  }

  /** Of all that was added; the tensors belong to the scope around. */
  finish(): Gaussian {
    const shift = this.#shift!;
    return tidy(() => {
      const present = this.#counts.squeeze(1).nonzero().squeeze(1);
      const counts = this.#counts.indexSelect(0, present);
      const means = this.#sums.indexSelect(0, present).div(counts);
      const within = this.#moment.sub(means.mul(counts).t().matmul(means)).div(counts.sum());
      if (!within.isfinite().all().item())
        throw new IsotorchError('ERR_DATA', 'Expected finite features but some training images have NaN or infinities');
      const { eigenvalues, eigenvectors } = torch.linalg.eigh(within);
      const [values, size] = [eigenvalues.tolist() as number[], eigenvalues.shape[0]!];
      const rank = values.filter((value) => value > NO_VARIANCE * values.at(-1)!).length;
      const whitening =
        rank === 0 // features that are the same for all images of a class: every distance is 0
          ? torch.zeros([size, 1], { dtype: 'float64', device: within.device })
          : eigenvectors.narrow(1, size - rank, rank).div(eigenvalues.narrow(0, size - rank, rank).sqrt());
      return { shift: shift.clone(), whitening, centres: means.matmul(whitening) };
    });
  }

  dispose(): void {
    if (this.#shift === undefined) return;
    for (const tensor of [this.#shift, this.#counts, this.#sums, this.#moment]) tensor.dispose();
  }
}

/** −½ min_c (f − μ_c)ᵀ Σ⁻¹ (f − μ_c): features [N, D] → float64 [N], at most 0. */
export function gaussianScore(features: Tensor, { shift, whitening, centres }: Gaussian): Tensor {
  const white = features.to('float64').sub(shift).matmul(whitening);
  const distances = torch.cdist(white, centres, 2, 2); // 2: the exact kernel, not the one by a matrix product
  return distances.amin(1).pow(2).mul(-0.5);
}
