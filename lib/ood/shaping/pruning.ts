// The shapings that look at an image's largest activations: ASH, which keeps them alone, and SCALE, which keeps all and
// scales them by how much the largest make of the sum. Nothing is learnt. They are made for activations after a ReLU.

import { type ShapingName, type ShapingSettings, shapingSettings } from '../../known/detectors.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import { checkFeatures, type Shaping } from './shaping.js';

/**
 * ASH-B: of an image's D activations the k = D − round(D · percentile / 100) largest become s1 / k, with s1 the sum of all;
 * the others 0. (At least one is kept; halves are rounded to even; of equal activations the first ones are kept.)
 * Djurisic et al., "Extremely Simple Activation Shaping for Out-of-Distribution Detection", 2023 (arXiv:2209.09858, alg. 2);
 * `ash_net.py` in Jingkang50/OpenOOD.
 *
 * @param settings.percentile from 0 to 100. Default 90
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example shaped(ashB(), energy()); // 'energy+ash-b'
 */
export function ashB(settings: ShapingSettings<'ash-b'> = {}): Shaping {
  return pruning('ash-b', shapingSettings('ash-b', settings), (_, kept, { all, count }) =>
    torch.where(kept(), all.div(count), 0),
  );
}

/**
 * ASH-P: as `ashB`, but the largest activations stay as they are (alg. 1).
 *
 * @param settings.percentile from 0 to 100. Default 90
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example shaped(ashP({ percentile: 65 }), energy());
 */
export function ashP(settings: ShapingSettings<'ash-p'> = {}): Shaping {
  return pruning('ash-p', shapingSettings('ash-p', settings), (features, kept) => torch.where(kept(), features, 0));
}

/**
 * ASH-S: as `ashP`, and what stays is multiplied by exp(s1 / s2), with s1 the sum of all activations and s2 that of the
 * largest (alg. 3). Where s2 is 0 nothing is multiplied.
 *
 * @param settings.percentile from 0 to 100. Default 90
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example shaped(ashS(), energy());
 */
export function ashS(settings: ShapingSettings<'ash-s'> = {}): Shaping {
  return pruning('ash-s', shapingSettings('ash-s', settings), (features, kept, sums) =>
    torch.where(kept(), scaled(features, sums), 0),
  );
}

/**
 * SCALE: f · exp(s1 / s2), sums as for `ashS`, but no activation is pruned.
 * Xu et al., "Scaling for Training Time and Post-hoc Out-of-distribution Detection Enhancement", 2024 (arXiv:2310.00227);
 * `scale_net.py` in Jingkang50/OpenOOD.
 *
 * @param settings.percentile from 0 to 100: what is not among the largest. Default 85
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example shaped(scale(), energy()); // 'energy+scale'
 */
export function scale(settings: ShapingSettings<'scale'> = {}): Shaping {
  return pruning('scale', shapingSettings('scale', settings), (features, _, sums) => scaled(features, sums));
}

/** float64 [N, 1], and how many activations are kept. */
interface Sums {
  readonly all: Tensor;
  readonly largest: Tensor;
  readonly count: number;
}

/** f · exp(s1 / s2); f where s2 is 0. */
function scaled(features: Tensor, { all, largest }: Sums): Tensor {
  const exponent = torch.where(largest.eq(0), torch.zerosLike(largest), all.div(largest));
  return features.mul(exponent.exp().to(features.dtype));
}

/** @param formula from the features, which of them are kept, and the sums, what becomes of them */
function pruning(
  name: ShapingName,
  settings: { readonly percentile: number },
  formula: (features: Tensor, kept: () => Tensor, sums: Sums) => Tensor,
): Shaping {
  return {
    name,
    settings,
    shape: (features) => {
      checkFeatures(features, name);
      return tidy(() =>
        torch.noGrad(() => {
          const size = features.shape[1]!;
          const count = Math.max(1, size - roundHalfEven((size * settings.percentile) / 100));
          const { values } = features.topk(count, 1, { sorted: false });
          const [all, largest] = [features, values].map((part) => part.sum(1, true, { dtype: 'float64' }));
          const sums = { all: all!, largest: largest!, count };
          const shaped = formula(features, () => largestOf(features, values, count), sums);
          // NaN is neither large nor small: it would be pruned and the image look like any other.
          return torch.where(sums.all.isfinite(), shaped, Number.NaN).to(features.dtype);
        }),
      );
    },
  };
}

/** Which are the `count` largest of a row, of equal ones the first. bool [N, D] */
function largestOf(features: Tensor, values: Tensor, count: number): Tensor {
  const least = values.amin(1, true);
  const kept = features.ge(least);
  if (kept.sum().item() === count * features.shape[0]!) return kept;
  const above = features.gt(least);
  const room = above.sum(1, true).neg().add(count);
  return above.logicalOr(kept.logicalAnd(features.eq(least).cumsum(1, { dtype: 'int32' }).le(room)));
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  return part > 0.5 || (part === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
