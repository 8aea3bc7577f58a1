// Adadelta (Zeiler 2012), as `torch.optim.Adadelta`.
//
//   v ← rho·v + (1 − rho)·g²
//   Δ ← √(u + eps) / √(v + eps) · g;  u ← rho·u + (1 − rho)·Δ²
//   θ ← θ − lr·Δ

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { averageSquares_, descend_, descent } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'Adadelta'>;
export type AdadeltaOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.Adadelta(model.parameters(), { rho: 0.95 });
 */
export class Adadelta extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'Adadelta'> = {
    step: scalar(),
    squareAvg: like(),
    accDelta: like(),
  };

  constructor(params: Params<Settings>, options: AdadeltaOptions = {}) {
    super(optimizers.Adadelta, params, options);
  }

  protected override update(
    { params, gradients, state, device }: Batch<StateOf<'Adadelta'>>,
    group: ParamGroup & Settings,
  ): void {
    const { rho, eps } = group;
    const root = (list: typeof params) => {
      const sums = torch._foreachAdd(list, eps);
      torch._foreachSqrt_(sums);
      return sums;
    };
    torch._foreachAdd_(state.step, 1);
    const g = descent(params, gradients, group);
    averageSquares_(state.squareAvg, g, rho);
    const deltas = root(state.accDelta);
    torch._foreachDiv_(deltas, root(state.squareAvg));
    torch._foreachMul_(deltas, g);
    averageSquares_(state.accDelta, deltas, rho);
    descend_(params, deltas, group.lrOn(device));
  }
}
