// A network's last layer as detectors see it: something that turns features into logits, and, where it is affine, its weights.
// A distance head (IsoMax and its kin) has prototypes instead; detectors whose formula is about w·f + b must not guess there.

import { expected, IsotorchError } from '../../errors.js';
import { IsoMaxHead, IsoMaxPlusHead, SoftMaxHead } from '../../losses/index.js';
import { Linear, type Module } from '../../nn/index.js';
import { type Tensor, torch } from '../../tensor/index.js';

export interface AffineHead {
  readonly kind: 'affine';
  /** [C, D] */
  readonly weight: Tensor;
  /** [C]; null for none. */
  readonly bias: Tensor | null;
  /** Features [N, D] → logits [N, C]. */
  forward(features: Tensor): Tensor;
}

export interface DistanceHead {
  readonly kind: 'distance';
  /** [C, D] */
  readonly prototypes: Tensor;
  /** The head of `losses` that this is, where it is one: what a file needs so that it can be made again. */
  readonly module?: IsoMaxHead | IsoMaxPlusHead;
  forward(features: Tensor): Tensor;
}

export interface OtherHead {
  readonly kind: 'other';
  forward(features: Tensor): Tensor;
}

export type ClassifierHead = AffineHead | DistanceHead | OtherHead;

/**
 * From weights alone, such as those of another framework.
 * @param weight [C, D]
 * @param bias [C] @default none
 * @throws ERR_SHAPE
 */
export function affineHead(weight: Tensor, bias: Tensor | null = null): AffineHead {
  if (weight.ndim !== 2 || (bias !== null && (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0])))
    throw new IsotorchError(
      'ERR_SHAPE',
      `affineHead: expected a weight [C, D] and a bias [C], received [${weight.shape.join(', ')}] and ` +
        `${bias === null ? 'none' : `[${bias.shape.join(', ')}]`}`,
    );
  return { kind: 'affine', weight, bias, forward: (features) => torch.linear(features, weight, bias) };
}

/** The head that a module is; its tensors are the module's own. A temperature is part of `forward` and of the weights. */
export function headOf(module: Module): ClassifierHead {
  const forward = (features: Tensor): Tensor => module.forward(features);
  if (module instanceof Linear || (module instanceof SoftMaxHead && module.temperature === 1))
    return { kind: 'affine', weight: module.weight, bias: module.bias ?? null, forward };
  if (module instanceof IsoMaxHead || module instanceof IsoMaxPlusHead)
    return { kind: 'distance', prototypes: module.prototypes, module, forward };
  if (typeof module?.forward !== 'function') throw expected('a module', 'head', module);
  return { kind: 'other', forward };
}
