// Batch normalisation (Ioffe & Szegedy 2015) over all dimensions but the channels'. In training it uses the batch's own
// mean and variance and keeps running ones for evaluation.

import { type Tensor, torch } from '../../tensor/index.js';
import { withDimensions } from '../arguments.js';
import { refuseSingle, valuesAChannel } from '../functional/normalization.js';
import { Norm, type NormArguments, type NormOptions, normFields } from './statistics.js';

/** `affine` and `trackRunningStats` are true by default. */
export type BatchNormOptions = NormOptions;

const fields = normFields(true);

abstract class BatchNorm extends Norm {
  /** @internal */
  static readonly fields = fields;

  constructor(...args: NormArguments) {
    super(new.target.name, fields, args);
  }

  /** Dimensions of an input. */
  protected abstract readonly dimensions: readonly number[];

  override forward(input: Tensor): Tensor {
    withDimensions(input, this.constructor.name, ...this.dimensions);
    const { training, runningMean, runningVar, numBatchesTracked, weight, bias, eps } = this;
    let momentum = this.momentum ?? 0;
    if (training) {
      refuseSingle(this.constructor.name, valuesAChannel(input.shape), input);
      if (numBatchesTracked) {
        numBatchesTracked.add_(1);
        if (this.momentum === null) momentum = 1 / Number(numBatchesTracked.item());
      }
    }
    const ofBatch = training || runningMean === null;
    return torch.batchNorm(input, weight, bias, runningMean, runningVar, ofBatch, momentum, eps, true);
  }
}

/**
 * Batch normalisation of [N, C, H, W] (`torch.nn.BatchNorm2d`).
 *
 * State: `weight` = 1 and `bias` = 0, `running_mean` = 0, `running_var` = 1 (each [C]) and `num_batches_tracked` = 0.
 * @throws ERR_SHAPE for inputs of other dimensions, and in training for one value a channel.
 * @example new nn.BatchNorm2d(16).forward(torch.randn([8, 16, 14, 14]));
 */
export class BatchNorm2d extends BatchNorm {
  protected override get dimensions(): readonly number[] {
    return [4];
  }
}

/** Batch normalisation of [N, C] or [N, C, L] (`torch.nn.BatchNorm1d`); state and errors as BatchNorm2d's. */
export class BatchNorm1d extends BatchNorm {
  protected override get dimensions(): readonly number[] {
    return [2, 3];
  }
}

/** Batch normalisation of [N, C, D, H, W] (`torch.nn.BatchNorm3d`); state and errors as BatchNorm2d's. */
export class BatchNorm3d extends BatchNorm {
  protected override get dimensions(): readonly number[] {
    return [5];
  }
}
