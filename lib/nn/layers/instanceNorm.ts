// Instance normalisation (Ulyanov et al. 2016): each channel of each sample by its own mean and variance.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';
import { withDimensions } from '../arguments.js';
import * as F from '../functional/normalization.js';
import { Norm, type NormArguments, type NormOptions, normFields } from './statistics.js';

/** `affine` and `trackRunningStats` are false by default. */
export type InstanceNormOptions = NormOptions;

const fields = normFields(false);

abstract class InstanceNorm extends Norm {
  /** @internal */
  static readonly fields = fields;

  constructor(...args: NormArguments) {
    super(new.target.name, fields, args);
  }

  /** Dimensions of a sample. */
  protected abstract readonly dimensions: number;

  override forward(input: Tensor): Tensor {
    const { dimensions, numFeatures } = this;
    const { shape } = withDimensions(input, this.constructor.name, dimensions, dimensions + 1);
    const channels = shape.at(-dimensions);
    if (this.affine && channels !== numFeatures)
      throw new IsotorchError(
        'ERR_SHAPE',
        `${this.constructor.name}: expected ${numFeatures} channels, received [${shape.join(', ')}]`,
      );
    return shape.length === dimensions ? this.normalize(input.unsqueeze(0)).squeeze(0) : this.normalize(input);
  }

  protected normalize(input: Tensor): Tensor {
    const { runningMean, runningVar, weight, bias, momentum, eps } = this;
    const useInputStats = this.training || !this.trackRunningStats;
    const options = { runningMean, runningVar, weight, bias, useInputStats, momentum: momentum ?? 0, eps };
    return F.instanceNorm(input, options);
  }
}

/** Instance normalisation of [N, C, L] or [C, L] (`torch.nn.InstanceNorm1d`). State as BatchNorm2d's, where it is asked for. */
export class InstanceNorm1d extends InstanceNorm {
  protected override get dimensions(): number {
    return 2;
  }
}

/** Instance normalisation of [N, C, H, W] or [C, H, W] (`torch.nn.InstanceNorm2d`). */
export class InstanceNorm2d extends InstanceNorm {
  protected override get dimensions(): number {
    return 3;
  }
}

/** Instance normalisation of [N, C, D, H, W] or [C, D, H, W] (`torch.nn.InstanceNorm3d`). */
export class InstanceNorm3d extends InstanceNorm {
  protected override get dimensions(): number {
    return 4;
  }
}
