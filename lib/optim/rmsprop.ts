// RMSprop (Hinton 2012), as `torch.optim.RMSprop`; centered as Graves 2013 has it.
//
//   v ← alpha·v + (1 − alpha)·g²;  centered: ḡ ← alpha·ḡ + (1 − alpha)·g and v − ḡ² for v below
//   θ ← θ − lr·g / (√v + eps);  with momentum b ← momentum·b + g / (√v + eps) and θ ← θ − lr·b

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { averageSquares_, descend_, descent, lerp_, scale_ } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'RMSprop'>;
export type RMSpropOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.RMSprop(model.parameters(), { lr: 0.01, alpha: 0.9, momentum: 0.9 });
 */
export class RMSprop extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'RMSprop'> = {
    step: scalar(),
    squareAvg: like(),
    momentumBuffer: {
      ...like(),
      when: (group) => group.momentum > 0 || group.isCycled,
    },
    gradAvg: { ...like(), when: ({ centered }) => centered },
  };

  constructor(params: Params<Settings>, options: RMSpropOptions = {}) {
    super(optimizers.RMSprop, params, options);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'RMSprop'>>,
    group: ParamGroup & Settings,
  ): void {
    const { alpha, eps, centered, momentum, isCycled } = group;
    const { step, squareAvg, momentumBuffer, gradAvg } = state;
    torch._foreachAdd_(step, 1);
    const g = descent(params, gradients, group);
    averageSquares_(squareAvg, g, alpha);
    if (centered) lerp_(gradAvg, g, 1 - alpha);
    const spread = centered ? torch._foreachAddcmul(squareAvg, gradAvg, gradAvg, -1) : torch._foreachClone(squareAvg);
    torch._foreachSqrt_(spread);
    torch._foreachAdd_(spread, eps);
    const directions = torch._foreachDiv(g, spread);
    if (momentum > 0 || isCycled) {
      scale_(momentumBuffer, group.momentumOn(device));
      torch._foreachAdd_(momentumBuffer, directions);
      descend_(params, momentumBuffer, group.lrOn(device));
    } else descend_(params, directions, group.lrOn(device));
  }
}
