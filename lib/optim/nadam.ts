// NAdam (Dozat 2016), as `torch.optim.NAdam`: Adam with Nesterov's momentum, which rises over the steps.
//
//   μₜ = β₁·(1 − 0.96^(t·momentumDecay) / 2);  Π ← Π·μₜ
//   m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²
//   θ ← θ − lr·((1 − μₜ) / (1 − Π)·g + μₜ₊₁ / (1 − Π·μₜ₊₁)·m) / (√(v / (1 − β₂ᵗ)) + eps)

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { type Tensor, torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { averageSquares_, correction, counted, decay_, descendBy_, descent, lerp_, rest } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'NAdam'>;
export type NAdamOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.NAdam(model.parameters(), { weightDecay: 0.01, decoupledWeightDecay: true });
 */
export class NAdam extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'NAdam'> = {
    step: scalar(),
    muProduct: scalar(() => 1),
    expAvg: like(),
    expAvgSq: like(),
  };

  constructor(params: Params<Settings>, options: NAdamOptions = {}) {
    super(optimizers.NAdam, params, options);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'NAdam'>>,
    group: ParamGroup & Settings,
  ): void {
    const { betas, eps, weightDecay, momentumDecay, maximize, decoupledWeightDecay } = group;
    const { step, muProduct, expAvg, expAvgSq } = state;
    const lr = group.lrOn(device);
    const beta1 = group.momentumOn(device);
    const t = counted(step);
    const g = descent(params, gradients, decoupledWeightDecay ? { maximize } : group);
    if (decoupledWeightDecay) decay_(params, lr, weightDecay);
    const factor = beta1 as number; // or a tensor: mul takes both
    const momentumAt = (at: Tensor) => torch.pow(0.96, at.mul(momentumDecay)).mul(-0.5).add(1).mul(factor);
    const [mu, next] = [momentumAt(t), momentumAt(t.add(1))];
    torch._foreachMul_(muProduct, mu.to('float32').unbind());
    const product = torch.stack(muProduct).to('float64');
    lerp_(expAvg, g, rest(beta1));
    averageSquares_(expAvgSq, g, betas[1]);
    const denominators = torch._foreachDiv(expAvgSq, correction(betas[1], t).unbind());
    torch._foreachSqrt_(denominators);
    torch._foreachAdd_(denominators, eps);
    descendBy_(params, g, denominators, lr.mul(mu.neg().add(1)).div(product.neg().add(1)));
    descendBy_(params, expAvg, denominators, lr.mul(next).div(product.mul(next).neg().add(1)));
  }
}
