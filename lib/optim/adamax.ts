// Adamax (Kingma & Ba 2015), as `torch.optim.Adamax`: Adam with the infinity norm in place of the second moment.
//
//   m ← β₁·m + (1 − β₁)·g;  u ← max(β₂·u, |g| + eps)
//   θ ← θ − lr / (1 − β₁ᵗ) · m / u

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { correction, counted, descendBy_, descent, lerp_, rest } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'Adamax'>;
export type AdamaxOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.Adamax(model.parameters(), { lr: 2e-3 });
 */
export class Adamax extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'Adamax'> = {
    step: scalar(),
    expAvg: like(),
    expInf: like(),
  };

  constructor(params: Params<Settings>, options: AdamaxOptions = {}) {
    super(optimizers.Adamax, params, options);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'Adamax'>>,
    group: ParamGroup & Settings,
  ): void {
    const t = counted(state.step);
    const beta1 = group.momentumOn(device);
    const g = descent(params, gradients, group);
    lerp_(state.expAvg, g, rest(beta1));
    torch._foreachMul_(state.expInf, group.betas[1]);
    const sizes = torch._foreachAbs(g);
    torch._foreachAdd_(sizes, group.eps);
    torch._foreachMaximum_(state.expInf, sizes);
    descendBy_(params, state.expAvg, state.expInf, group.lrOn(device).div(correction(beta1, t)));
  }
}
