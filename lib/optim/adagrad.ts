// Adagrad (Duchi et al. 2011), as `torch.optim.Adagrad`: in one fused call for all parameters that share a device and a dtype,
// else operator by operator. It takes sparse gradients, and moves then what they name alone.
//
//   s ← s + g²
//   θ ← θ − lr / (1 + (t − 1)·lrDecay) · g / (√s + eps)

import { IsotorchError } from '../errors.js';
import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { type Tensor, torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { counted, descendBy_, descent } from './foreach.js';
import { type AmpOptions, Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'Adagrad'>;
export type AdagradOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.Adagrad(model.parameters(), { lr: 0.1, lrDecay: 1e-3 });
 */
export class Adagrad extends Optimizer<Settings> {
  protected override readonly hasFused = true;
  protected override readonly takesSparse = true;
  protected override readonly kept: KeptBy<'Adagrad'> = {
    step: scalar(),
    sum: like(({ initialAccumulatorValue }) => initialAccumulatorValue),
  };

  constructor(params: Params<Settings>, options: AdagradOptions = {}) {
    super(optimizers.Adagrad, params, options);
  }

  protected override update(batch: Batch<StateOf<'Adagrad'>>, group: ParamGroup & Settings, amp: AmpOptions): void {
    const { params, gradients, device } = batch;
    const { step, sum } = batch.state;
    const { lrDecay, weightDecay, eps, maximize } = group;
    const lr = group.lrOn(device);
    if (batch.isFused) {
      torch._foreachAdd_(step, 1);
      torch._fusedAdagrad_(params, gradients, sum, step, { lr, lrDecay, weightDecay, eps, maximize, ...amp });
      if (amp.foundInf)
        torch._foreachSub_(
          step,
          step.map(() => amp.foundInf!),
        );
      return;
    }
    const rates = lr.div(counted(step).sub(1).mul(lrDecay).add(1));
    if (batch.isSparse) {
      if (weightDecay !== 0)
        throw new IsotorchError('ERR_ARGUMENT', 'Adagrad: expected weightDecay 0 where gradients are sparse');
      const sizes = rates.mul(maximize ? -1 : 1).unbind();
      for (const [i, param] of params.entries()) sparseStep(param, gradients[i]!, sum[i]!, sizes[i]!, eps);
      return;
    }
    const g = descent(params, gradients, group);
    torch._foreachAddcmul_(sum, g, g);
    const roots = torch._foreachSqrt(sum);
    torch._foreachAdd_(roots, eps);
    descendBy_(params, g, roots, rates);
  }
}

/** Each index once: the update is not linear in the gradient. */
function sparseStep(param: Tensor, gradient: Tensor, sum: Tensor, size: Tensor, eps: number): void {
  const g = gradient.coalesce();
  const [indices, values] = [g.indices(), g.values()];
  const sparse = (list: Tensor) => torch.sparseCooTensor(indices, list, g.shape);
  sum.add_(sparse(values.pow(2)));
  const roots = sum.sparseMask(g).values().sqrt().add(eps);
  param.sub_(sparse(values.div(roots).mul(size)));
}
