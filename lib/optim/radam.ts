// RAdam (Liu et al. 2020), as `torch.optim.RAdam`: Adam that adapts no rate until it has seen enough squares to do so.
//
//   m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²
//   ρ∞ = 2 / (1 − β₂) − 1;  ρₜ = ρ∞ − 2t·β₂ᵗ / (1 − β₂ᵗ)
//   θ ← θ − lr·m̂ where ρₜ ≤ 5, else θ − lr·m̂·r·√(1 − β₂ᵗ) / (√v + eps)
//   m̂ = m / (1 − β₁ᵗ);  r² = (ρₜ − 4)(ρₜ − 2)·ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)·ρₜ)

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { averageSquares_, correction, counted, decay_, descent, lerp_, rest } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'RAdam'>;
export type RAdamOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.RAdam(model.parameters(), { lr: 1e-3 });
 */
export class RAdam extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'RAdam'> = {
    step: scalar(),
    expAvg: like(),
    expAvgSq: like(),
  };

  constructor(params: Params<Settings>, options: RAdamOptions = {}) {
    super(optimizers.RAdam, params, options);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'RAdam'>>,
    group: ParamGroup & Settings,
  ): void {
    const { betas, eps, weightDecay, maximize, decoupledWeightDecay } = group;
    const { step, expAvg, expAvgSq } = state;
    const lr = group.lrOn(device);
    const beta1 = group.momentumOn(device);
    const t = counted(step);
    const g = descent(params, gradients, decoupledWeightDecay ? { maximize } : group);
    if (decoupledWeightDecay) decay_(params, lr, weightDecay);
    lerp_(expAvg, g, rest(beta1));
    averageSquares_(expAvgSq, g, betas[1]);

    const squares = correction(betas[1], t);
    const rhoInf = 2 / (1 - betas[1]) - 1;
    const rho = t.mul(2).mul(torch.pow(betas[1], t)).div(squares).neg().add(rhoInf);
    const isEnough = rho.gt(5);
    const scale = rhoInf / ((rhoInf - 4) * (rhoInf - 2));
    const rectified = rho.sub(4).mul(rho.sub(2)).mul(scale).div(rho).mul(squares).clampMin(0).sqrt();
    const zeros = torch.zerosLike(rho);
    const factors = torch._foreachSqrt(expAvgSq);
    torch._foreachAdd_(factors, eps);
    torch._foreachReciprocal_(factors);
    torch._foreachMul_(factors, torch.where(isEnough, rectified, zeros).unbind());
    torch._foreachAdd_(factors, torch.where(isEnough, zeros, zeros.add(1)).unbind());
    torch._foreachMul_(factors, expAvg);
    torch._foreachMul_(factors, lr.div(correction(beta1, t)).unbind());
    torch._foreachSub_(params, factors);
  }
}
