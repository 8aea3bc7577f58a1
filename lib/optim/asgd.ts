// Averaged stochastic gradient descent (Polyak & Juditsky 1992), as `torch.optim.ASGD`. The average is the state's `ax`.
//
//   θ ← (1 − lambd·η)·θ − η·g
//   a ← a + μ·(θ − a)
//   η ← lr / (1 + lambd·lr·t)^alpha;  μ ← 1 / max(1, t − t0)

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { type Tensor, torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { counted, descent } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'ASGD'>;
export type ASGDOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.ASGD(model.parameters(), { lr: 0.01, t0: 1000 });
 */
export class ASGD extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'ASGD'> = {
    step: scalar(),
    eta: scalar(({ lr }) => lr),
    mu: scalar(() => 1),
    ax: like(),
  };

  constructor(params: Params<Settings>, options: ASGDOptions = {}) {
    super(optimizers.ASGD, params, options);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'ASGD'>>,
    group: ParamGroup & Settings,
  ): void {
    const { lambd, alpha, t0 } = group;
    const { step, eta, mu, ax } = state;
    const lr = group.lrOn(device);
    const t = counted(step);
    const g = descent(params, gradients, group);
    const etas = torch.stack(eta).to('float64');
    torch._foreachMul_(params, etas.mul(-lambd).add(1).unbind());
    torch._foreachSub_(params, torch._foreachMul(g, etas.unbind()));
    averageInto_(ax, params, mu);
    torch._foreachCopy_(eta, lr.div(t.mul(lr).mul(lambd).add(1).pow(alpha)).unbind());
    torch._foreachCopy_(mu, t.sub(t0).clampMin(1).reciprocal().unbind());
  }
}

/** averages ← averages + weights·(values − averages). */
function averageInto_(averages: readonly Tensor[], values: readonly Tensor[], weights: readonly Tensor[]): void {
  const way = torch._foreachSub(values, averages);
  torch._foreachMul_(way, weights);
  torch._foreachAdd_(averages, way);
}
