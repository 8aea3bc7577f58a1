// Adam (Kingma & Ba 2015), as `torch.optim.Adam`: in one fused call for all parameters that share a device and a dtype, else
// operator by operator.
//
//   g ← ∇f(θ) (−∇f where maximize) + weightDecay·θ; with decoupled decay θ ← θ − lr·weightDecay·θ instead
//   m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²
//   θ ← θ − lr·m̂ / (√v̂ + eps), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), and the greatest v so far for v where amsgrad

import { type OptimizerRow, optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { averageSquares_, correction, counted, decay_, descendBy_, descent, lerp_, rest } from './foreach.js';
import { type AmpOptions, Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'Adam'>;
export type AdamOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.Adam(model.parameters(), { lr: 1e-3, betas: [0.9, 0.98] });
 */
export class Adam extends Optimizer<Settings> {
  protected override readonly hasFused = true;
  protected override readonly kept: KeptBy<'Adam'> = {
    step: scalar(),
    expAvg: like(),
    expAvgSq: like(),
    maxExpAvgSq: { ...like(), when: ({ amsgrad }) => amsgrad },
  };

  /** @param row AdamW's, for that class */
  constructor(params: Params<Settings>, options: AdamOptions = {}, row: OptimizerRow<Settings> = optimizers.Adam) {
    super(row, params, options);
  }

  protected override update(batch: Batch<StateOf<'Adam'>>, group: ParamGroup & Settings, amp: AmpOptions): void {
    const { params, gradients, device } = batch;
    const { step, expAvg, expAvgSq, maxExpAvgSq } = batch.state;
    const { betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay } = group;
    const lr = group.lrOn(device);
    if (batch.isFused) {
      const fused = decoupledWeightDecay ? torch._fusedAdamw_ : torch._fusedAdam_;
      const settings = { lr, beta1: betas[0], beta2: betas[1], weightDecay, eps, amsgrad, maximize, ...amp };
      torch._foreachAdd_(step, 1);
      fused(params, gradients, expAvg, expAvgSq, amsgrad ? maxExpAvgSq : [], step, settings);
      if (amp.foundInf)
        torch._foreachSub_(
          step,
          step.map(() => amp.foundInf!),
        );
      return;
    }
    const t = counted(step);
    const beta1 = group.momentumOn(device);
    const g = descent(params, gradients, decoupledWeightDecay ? { maximize } : group);
    if (decoupledWeightDecay) decay_(params, lr, weightDecay);
    lerp_(expAvg, g, rest(beta1));
    averageSquares_(expAvgSq, g, betas[1]);
    if (amsgrad) torch._foreachMaximum_(maxExpAvgSq, expAvgSq);
    const denominators = torch._foreachSqrt(amsgrad ? maxExpAvgSq : expAvgSq);
    torch._foreachDiv_(denominators, correction(betas[1], t).sqrt().unbind());
    torch._foreachAdd_(denominators, eps);
    descendBy_(params, expAvg, denominators, lr.div(correction(beta1, t)));
  }
}
