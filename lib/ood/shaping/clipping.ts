// The shapings that bound activations by what is usual in training: ReAct from above, VRA from both sides. Unknown images
// make some units fire far beyond that.

import { IsotorchError } from '../../errors.js';
import { type ShapingSettings, shapingSettings } from '../../known/detectors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import { percentiles } from '../arrays/percentiles.js';
import type { Pass } from '../detectors/fitted.js';
import { type FittedShaping, fittedShaping } from './shaping.js';

/**
 * min(f, c), with c a percentile of all activations of the training images.
 * Sun et al., "ReAct: Out-of-distribution Detection With Rectified Activations", 2021 (arXiv:2111.12797);
 * `react_postprocessor.py` in Jingkang50/OpenOOD, which takes the percentile over validation images.
 *
 * `fit` reads features, in two passes for float32 and four for float64. Its state: `clip` [].
 *
 * @param settings.percentile from 0 to 100. Default 90
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example
 * const detector = shaped(react(), energy()); // 'energy+react'
 * await detector.fit(training);
 */
export function react(settings: ShapingSettings<'react'> = {}): FittedShaping {
  const own = shapingSettings('react', settings);
  return fittedShaping({
    name: 'react',
    settings: own,
    shapes: { clip: [] },
    async learn(pass) {
      const [clip] = await activationPercentiles(pass, [own.percentile]);
      return { clip: clip! };
    },
    shape: (features, { clip }) => features.clampMax(clip.to(features.dtype)),
  });
}

/**
 * Activations cut from both sides: f where low ≤ f ≤ high, `high` above, and below `low` (as OpenOOD does) or 0 (as the paper
 * does); low and high are percentiles of all activations of the training images.
 * Xu et al., "VRA: Variational Rectified Activation for Out-of-distribution Detection", 2023 (arXiv:2302.11716);
 * `vra_postprocessor.py` in Jingkang50/OpenOOD.
 *
 * `fit` reads features, in two passes for float32 and four for float64. Its state: `low` and `high` [].
 *
 * @param settings.low percentile. Default 10
 * @param settings.high percentile, not below `low`. Default 90
 * @param settings.below `clip` or `zero`. Default `clip`
 * @throws ERR_ARGUMENT for settings that are none or out of range
 * @example shaped(vra({ below: 'zero' }), energy());
 */
export function vra(settings: ShapingSettings<'vra'> = {}): FittedShaping {
  const own = shapingSettings('vra', settings);
  if (own.high < own.low)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected vra’s high not below its low, received ${own.high} and ${own.low}`,
    );
  return fittedShaping({
    name: 'vra',
    settings: own,
    shapes: { low: [], high: [] },
    async learn(pass) {
      const [low, high] = await activationPercentiles(pass, [own.low, own.high]);
      return { low: low!, high: high! };
    },
    shape: (features, state) => {
      const [low, high] = [state.low.to(features.dtype), state.high.to(features.dtype)];
      const cut = features.clampMax(high);
      return own.below === 'clip' ? cut.clampMin(low) : torch.where(features.lt(low), 0, cut);
    },
  });
}

/** Percentiles of the activations of all images and units together. float64 [] each */
async function activationPercentiles(pass: Pass<'features'>, wanted: readonly number[]): Promise<Tensor[]> {
  const values = await percentiles((use) => pass(({ features }) => use(features)), wanted);
  return values.map((value) => torch.tensor(value, { dtype: 'float64' }));
}
