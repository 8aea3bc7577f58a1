// Rprop (Riedmiller & Braun 1993), as `torch.optim.Rprop`: every element has a step of its own, which grows while the sign of
// the gradient stays and shrinks when it changes. For gradients of the whole data set, not of batches. The rate is the first step
// and nothing else, so schedules do not move it.
//
//   s ← clamp(s·etas[1] where g·g' > 0, s·etas[0] where g·g' < 0, s else; stepSizes)
//   g ← 0 where g·g' < 0;  θ ← θ − sign(g)·s;  g' ← g

import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { descent } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'Rprop'>;
export type RpropOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.Rprop(model.parameters(), { etas: [0.5, 1.2], stepSizes: [1e-6, 1] });
 */
export class Rprop extends Optimizer<Settings> {
  protected override readonly kept: KeptBy<'Rprop'> = {
    step: scalar(),
    prev: like(),
    stepSize: like(({ lr }) => lr),
  };

  constructor(params: Params<Settings>, options: RpropOptions = {}) {
    super(optimizers.Rprop, params, options);
  }

  protected override update({ params, gradients, state }: Batch<StateOf<'Rprop'>>, group: ParamGroup & Settings): void {
    const { etas, stepSizes } = group;
    const { step, prev, stepSize } = state;
    torch._foreachAdd_(step, 1);
    const g = descent(params, gradients, group);
    const agreement = torch._foreachMul(g, prev);
    for (const [i, product] of agreement.entries()) {
      const size = stepSize[i]!;
      const turned = product.lt(0);
      const grown = torch.where(product.gt(0), size.mul(etas[1]), size);
      size.copy_(torch.where(turned, size.mul(etas[0]), grown)).clamp_(stepSizes[0], stepSizes[1]);
      prev[i]!.copy_(torch.where(turned, 0, g[i]!));
    }
    torch._foreachAddcmul_(params, torch._foreachSign(prev), stepSize, -1);
  }
}
