// First and second moments of features in one pass: class means, the tied (within-class) scatter and the total one, in
// float64 and with the memory of a few [D, D] matrices however many rows there are. Chunks are centred by their own class
// means and then merged (Chan, Golub & LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
// 1979): everything added is a square, so nothing cancels, and a large common offset is taken off first.

import { IsotorchError } from '../../errors.js';
import type { Need } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { checkLabels } from '../arrays/classLabels.js';
import type { Needed } from './detector.js';
import type { Pass } from './fitted.js';

/** Rows at a time: 16 MiB of float64 at 1024 features, which the caches like better than more. */
export const MOMENTS_ROWS = 2048;

/** Beyond this a label is a mistake and not a class. */
const MOST_CLASSES = 1 << 20;

/** Column blocks of which only the upper triangle is multiplied: (BLOCKS + 1) / 2 BLOCKS of the whole product. */
const BLOCKS = 2;

export class Moments {
  /** Provisional mean: all sums are of differences from it. */
  private origin: Tensor | undefined;
  private counts: Tensor | undefined;
  /** Class means less the origin [C, D]; 0 for classes without rows. */
  private offsets: Tensor | undefined;
  /** Σ (f − μ_c)(f − μ_c)ᵀ [D, D], upper blocks only. */
  private scatter: Tensor | undefined;

  /** @param second whether second moments are wanted at all; means alone are much cheaper */
  constructor(private readonly second = true) {}

  /**
   * Adds rows. Without labels all are of one class, and the within-class scatter is the total one.
   * @param features [N, D], floating point
   * @param labels int64 [N]
   * @throws ERR_DATA for labels that are no class
   */
  add(
    features: Tensor,
    labels: Tensor = torch.zeros([features.shape[0]!], { dtype: 'int64', device: features.device }),
  ): void {
    const wide = features.to({ dtype: 'float64', copy: true }); // a difference of two dtypes would take ten times as long
    this.origin ??= wide.mean(0).keep();
    const x = wide.sub_(this.origin);
    this.reserve(classesIn(labels), features.shape[1]!);
    const counts = torch.bincount(labels, null, this.counts!.shape[0]!).to('float64');
    const sums = this.offsets!.zerosLike().indexAdd_(0, labels, x);
    const means = sums.div_(counts.clampMin(1).unsqueeze(1));
    const shift = means.sub(this.offsets!);
    if (this.second) {
      addSquare(this.scatter!, x.sub_(means.indexSelect(0, labels)));
      const weights = this.counts!.mul(counts).div_(this.counts!.add(counts).clampMin(1));
      addSquare(this.scatter!, shift.mul(weights.sqrt().unsqueeze(1)));
    }
    this.counts!.add_(counts);
    this.offsets!.add_(shift.mul_(counts.div(this.counts!.clampMin(1)).unsqueeze(1)));
  }

  /** Those of the classes 0 to `classes` − 1 that have no rows. */
  emptyClasses(classes: number): number[] {
    const counts = (this.counts?.toArraySync() ?? new Float64Array()) as Float64Array;
    return Array.from({ length: classes }, (_, c) => c).filter((c) => !counts[c]);
  }

  /** Class means [K, D] of the K classes that have rows. */
  classMeans(): Tensor {
    return this.present(this.offsets!).add(this.origin!);
  }

  /** The same of the classes 0 to `classes` − 1 [classes, D]; 0 for those without rows. */
  allMeans(classes: number): Tensor {
    const means = this.classMeans();
    const present = this.counts!.nonzero().flatten();
    return torch
      .zeros([classes, means.shape[1]!], { dtype: 'float64', device: means.device })
      .indexCopy_(0, present, means);
  }

  /** Mean of all rows [D]. */
  mean(): Tensor {
    return this.meanOffset().add(this.origin!);
  }

  /** Tied covariance [D, D]: Σ_c Σ_{f of c} (f − μ_c)(f − μ_c)ᵀ / N. */
  tiedCovariance(): Tensor {
    return mirrored(this.scatter!).div_(this.rows());
  }

  /** Σ (f − p)(f − p)ᵀ / N [D, D]: about the mean this is the covariance of all rows. @param p [D] @default the mean */
  covariance(p?: Tensor): Tensor {
    const about = p ? p.sub(this.origin!) : this.meanOffset();
    const scatter = this.scatter!.clone();
    addSquare(scatter, this.offsets!.sub(about).mul_(this.counts!.sqrt().unsqueeze(1)));
    return mirrored(scatter).div_(this.rows());
  }

  /** The largest magnitude of a mean: float64 knows features no finer than 2⁻⁵³ of it. */
  magnitude(): number {
    return this.classMeans().abs().amax().item();
  }

  [Symbol.dispose](): void {
    for (const tensor of [this.origin, this.counts, this.offsets, this.scatter]) tensor?.dispose();
  }

  private rows(): Tensor {
    return this.counts!.sum();
  }

  private meanOffset(): Tensor {
    return this.counts!.matmul(this.offsets!).div_(this.rows());
  }

  private present(classes: Tensor): Tensor {
    return classes.indexSelect(0, this.counts!.nonzero().flatten());
  }

  /** Room for `classes` of them, with what there is. */
  private reserve(classes: number, size: number): void {
    const { device } = this.origin!;
    const grown = (tensor: Tensor | undefined, shape: number[]): Tensor => {
      const wider = torch.zeros(shape, { dtype: 'float64', device });
      if (tensor) wider.narrow(0, 0, tensor.shape[0]!).copy_(tensor);
      tensor?.dispose();
      return wider.keep();
    };
    if (this.second) this.scatter ??= grown(undefined, [size, size]);
    if (this.counts && this.counts.shape[0]! >= classes) return;
    this.counts = grown(this.counts, [classes]);
    this.offsets = grown(this.offsets, [classes, size]);
  }
}

/** The mean feature [D] of all images, which is all that some detectors learn. */
export async function learnMean(pass: Pass<'features'>): Promise<{ mean: Tensor }> {
  using moments = new Moments(false);
  await pass(({ features }) => moments.add(features), MOMENTS_ROWS);
  return tidy(() => ({ mean: moments.mean() }));
}

/** Which rows are of images classified rightly: int64 [R]. */
export const rightRows = (logits: Tensor, labels: Tensor): Tensor => logits.argmax(1).eq(labels).nonzero().flatten();

/**
 * The mean of some rows (features or logits) by class, over the images that are classified rightly: float64 [C, D].
 * @throws ERR_DATA for labels that are no class, and for classes without such images, naming them
 */
export async function meansOfRight<L extends Need>(
  pass: Pass<L | 'logits' | 'labels'>,
  rowsOf: (chunk: Needed<L | 'logits' | 'labels'>) => Tensor,
  learner: string,
): Promise<Tensor> {
  using moments = new Moments(false);
  let classes = 0;
  await pass((chunk) => {
    const { logits, labels } = chunk as Needed<'logits' | 'labels'>;
    classes = logits.shape[1]!;
    checkLabels(labels, classes, learner);
    const right = rightRows(logits, labels);
    if (right.shape[0]! > 0) moments.add(rowsOf(chunk).indexSelect(0, right), labels.indexSelect(0, right));
  }, MOMENTS_ROWS);
  const missing = moments.emptyClasses(classes);
  if (missing.length > 0)
    throw new IsotorchError(
      'ERR_DATA',
      `${learner}: expected training images of every class that are classified rightly; there are none of ` +
        `${missing.length === 1 ? 'class' : 'classes'} ${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ' …' : ''}`,
    );
  return tidy(() => moments.classMeans());
}

/** One more than the largest label. */
function classesIn(labels: Tensor): number {
  const [least, most] = [Number(labels.amin().item()), Number(labels.amax().item())];
  if (least >= 0 && most < MOST_CLASSES) return most + 1;
  throw new IsotorchError(
    'ERR_DATA',
    `Expected labels from 0 to ${MOST_CLASSES - 1} but received ${least < 0 ? least : most}: give the rows of known classes only`,
  );
}

/** into += xᵀx, the upper blocks of it. */
function addSquare(into: Tensor, x: Tensor): void {
  const size = x.shape[1]!;
  const width = Math.ceil(size / BLOCKS);
  for (let start = 0; start < size; start += width) {
    const rows = Math.min(width, size - start);
    into
      .narrow(0, start, rows)
      .narrow(1, start, size - start)
      .addmm_(x.narrow(1, start, rows).t(), x.narrow(1, start, size - start));
  }
}

const mirrored = (upper: Tensor): Tensor => upper.triu().add_(upper.triu(1).t());
