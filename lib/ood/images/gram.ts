// Gram matrices: which channels of a stage are active together, held against what training images of the predicted class have
// shown.

import { IsotorchError } from '../../errors.js';
import { type DetectorSettings, detectorSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { State } from '../detectors/detector.js';
import type { EvaluatedDataset } from '../network/batches.js';
import type { Network } from '../network/network.js';
import type { FitOptions, FittedImageDetector } from './imageDetector.js';
import { LearningDetector } from './learningDetector.js';
import { passThrough } from './passThrough.js';

/**
 * `−Σ_ℓ δ_ℓ(x) / (E[δ_ℓ] + 1e-7)`, at most 0. With F = the stage's map [C, H·W], the row sums of its Gram matrix of order p are
 * `g_p = sign(s)·|s|^(1/p)`, `s_i = Σ_j (F^p·(F^p)ᵀ)_ij`; δ_ℓ sums over powers and channels how far g lies outside of the smallest
 * and largest value that training images of the predicted class have shown, relative to that bound
 * (`max(0, min − g) / |min + 1e-6| + max(0, g − max) / |max + 1e-6|`), and is divided by the largest probability. E[δ_ℓ] is its mean
 * over training images that the bounds have not seen.
 *
 * Sastry & Oore, "Detecting Out-of-Distribution Examples with Gram Matrices", ICML 2020 (arXiv:1912.12510), eq. 2 to 5;
 * VectorInstitute/gram-ood-detection. Learns without labels, in two passes. A class that no training image was predicted as has
 * the bounds of all images. All in float64 and without C × C matrices: a row sum of F·Fᵀ is F times the sum of F's rows.
 *
 * @param settings.powers orders p of the Gram matrices. Default [1, 2, 3, 4, 5]
 * @param settings.validation the part of the training images that normalises the stages and is not learnt from, up to 0.5.
 *   Default 0.1: every tenth image
 * @throws ERR_ARGUMENT for settings that are none or out of range; (fit) ERR_DATA for too few images
 * @example await evaluate(model, { id: test, ood: { svhn }, train, transform, scores: [gram()] });
 */
export function gram(settings: DetectorSettings<'gram'> = {}): FittedImageDetector {
  return new Gram(settings);
}

/** In denominators, as the authors have them. */
const SMALL = 1e-6;

/** Of C classes, S row sums in all and L stages. */
const shapes = { lowest: ['C', 'S'], highest: ['C', 'S'], normalisers: ['L'] } as const;

class Gram extends LearningDetector<keyof typeof shapes> {
  readonly settings;
  readonly learnsFrom = [] as const;
  readonly #every: number;

  constructor(settings: DetectorSettings<'gram'>) {
    super('gram', shapes);
    this.settings = detectorSettings('gram', settings);
    this.#every = Math.round(1 / this.settings.validation);
  }

  score(images: Tensor, network: Network): Tensor {
    return tidy(() =>
      torch.noGrad(() => {
        const state = this.state();
        const deviations = this.#deviations(images, network, state);
        return deviations.div(state.normalisers.to(deviations.device).add(1e-7)).sum([1]).neg();
      }),
    );
  }

  async fit(network: Network, training: EvaluatedDataset, options: FitOptions = {}): Promise<void> {
    const bounds = await this.#bounds(network, training, options);
    let sum: Tensor | undefined;
    let count = 0;
    try {
      await passThrough(
        network,
        training,
        options,
        (images) => [this.#deviations(images, network, bounds)] as const,
        ([deviations], _, start) => {
          const rows = this.#rows(deviations, start, true);
          if (rows === null) return;
          sum ??= torch.zeros([deviations.shape[1]!], { dtype: 'float64', device: deviations.device }).keep();
          sum.add_(deviations.indexSelect(0, rows).sum([0]));
          count += rows.shape[0]!;
        },
      );
      if (sum === undefined)
        throw new IsotorchError(
          'ERR_DATA',
          `${this.name} keeps every ${this.#every}th training image for its normalisers and needs that many: ${training.name} has ${training.size}`,
        );
      const { lowest, highest } = bounds;
      this.replace({ lowest: lowest!, highest: highest!, normalisers: tidy(() => sum!.div(count)).keep() });
    } catch (error) {
      for (const tensor of Object.values(bounds)) tensor.dispose();
      throw error;
    } finally {
      sum?.dispose();
    }
  }

  /** First pass: the extremes of each class; kept. */
  async #bounds(network: Network, training: EvaluatedDataset, options: FitOptions): Promise<State> {
    let lowest: Tensor | undefined;
    let highest: Tensor | undefined;
    try {
      await passThrough(
        network,
        training,
        options,
        (images) => {
          const { logits, stages } = network.stages(network.input(images), (map) => this.#rowSums(map));
          return [logits, ...stages] as const;
        },
        ([logits, ...stages], _, start) => {
          const rows = this.#rows(logits, start, false);
          if (rows === null) return;
          const sums = torch.cat(stages, 1).indexSelect(0, rows);
          const bound = (value: number): Tensor =>
            torch.full([logits.shape[1]!, sums.shape[1]!], value, { dtype: 'float64', device: sums.device }).keep();
          lowest ??= bound(Number.POSITIVE_INFINITY);
          highest ??= bound(Number.NEGATIVE_INFINITY);
          const predicted = logits.indexSelect(0, rows).argmax(1, true).expand(sums.shape);
          lowest.scatterReduce_(0, predicted, sums, 'amin');
          highest.scatterReduce_(0, predicted, sums, 'amax');
        },
      );
      return tidy(() => ({
        lowest: known(lowest!, lowest!.amin([0], true)).keep(),
        highest: known(highest!, highest!.amax([0], true)).keep(),
      }));
    } finally {
      lowest?.dispose();
      highest?.dispose();
    }
  }

  /** Which rows of a batch are for the normalisers, or those that are not; null for none. */
  #rows(like: Tensor, start: number, forNormalisers: boolean): Tensor | null {
    const rows = Array.from({ length: like.shape[0]! }, (_, i) => i).filter(
      (i) => ((start + i + 1) % this.#every === 0) === forNormalisers,
    );
    return rows.length === 0 ? null : torch.tensor(rows, { dtype: 'int64', device: like.device });
  }

  /** g_p of all powers one after the other: map [N, C, …] → float64 [N, P·C]. */
  #rowSums(map: Tensor): Tensor {
    const F = (map.ndim === 2 ? map.unsqueeze(2) : map.flatten(2)).to('float64');
    return torch.cat(
      this.settings.powers.map((p) => {
        const power = F.pow(p);
        const sums = power.matmul(power.sum([1]).unsqueeze(2)).squeeze(2);
        return sums.sign().mul(sums.abs().pow(1 / p));
      }),
      1,
    );
  }

  /** δ of every stage: float64 [N, L]. */
  #deviations(images: Tensor, network: Network, { lowest, highest, normalisers }: State): Tensor {
    const { logits, stages } = network.stages(network.input(images), (map) => this.#rowSums(map));
    const widths = stages.map(({ shape }) => shape[1]!);
    const width = widths.reduce((sum, each) => sum + each);
    if (width !== lowest!.shape[1] || (normalisers && normalisers.shape[0] !== widths.length))
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `${this.name} has learnt other stages than the network's: ${lowest!.shape[1]} row sums, and here there are ${widths.join(' + ')}`,
      );
    const predicted = logits.argmax(1);
    const sums = torch.cat(stages, 1);
    const low = lowest!.to(sums.device).indexSelect(0, predicted);
    const high = highest!.to(sums.device).indexSelect(0, predicted);
    const outside = low
      .sub(sums)
      .relu()
      .div(low.add(SMALL).abs())
      .add(sums.sub(high).relu().div(high.add(SMALL).abs()));
    const deviations = outside.splitWithSizes(widths, 1).map((part) => part.sum([1]));
    return torch.stack(deviations, 1).div(logits.to('float64').softmax(1).amax(1, true));
  }
}

/** The bounds, with those of all images where a class has none. */
const known = (bounds: Tensor, all: Tensor): Tensor => torch.where(bounds.isinf(), all, bounds);
