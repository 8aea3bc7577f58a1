// Adam for sparse gradients, as `torch.optim.SparseAdam`: averages and parameters move at the indices that a gradient names and
// stay elsewhere. How many those are differs from step to step, so no captured step can hold it.
//
//   m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  θ ← θ − lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + eps)

import { expected, IsotorchError } from '../errors.js';
import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { capture, isFloating, type Tensor, torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { correction, counted } from './foreach.js';
import { Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like, scalar } from './state.js';

type Settings = SettingsOf<'SparseAdam'>;
export type SparseAdamOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range; in a step for dense gradients; ERR_CAPTURE
 *   in a captured step
 * @example new optim.SparseAdam(embedding.parameters(), { lr: 1e-3 });
 */
export class SparseAdam extends Optimizer<Settings> {
  protected override readonly takesSparse = true;
  protected override readonly kept: KeptBy<'SparseAdam'> = {
    step: { ...scalar(), isNumber: true },
    expAvg: like(),
    expAvgSq: like(),
  };

  constructor(params: Params<Settings>, options: SparseAdamOptions = {}) {
    super(optimizers.SparseAdam, params, options);
  }

  protected override check({ params }: ParamGroup & Settings): void {
    for (const param of params)
      if (!isFloating(param.dtype) || param.layout !== 'strided')
        throw expected('dense parameters of a real dtype', 'params', param);
  }

  protected override update(batch: Batch<StateOf<'SparseAdam'>>, group: ParamGroup & Settings): void {
    if (!batch.isSparse)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        'SparseAdam: expected sparse gradients but received dense ones; use Adam',
      );
    if (capture.isRecording())
      throw new IsotorchError(
        'ERR_CAPTURE',
        'SparseAdam: a captured step cannot hold it, since each sparse gradient has another number of indices. Step outside of it',
      );
    const { params, gradients, state, device } = batch;
    const [beta1, beta2] = group.betas;
    const t = counted(state.step);
    const sizes = group.lrOn(device).mul(correction(beta2, t).sqrt()).div(correction(beta1, t)).unbind();
    for (const [i, param] of params.entries()) {
      // Each index once: the update is not linear in the gradient.
      const g = (group.maximize ? gradients[i]!.neg() : gradients[i]!).coalesce();
      const values = g.values();
      if (values.numel() === 0) continue;
      const sparse = (list: Tensor) => torch.sparseCooTensor(g.indices(), list, g.shape);
      const average = (mean: Tensor, targets: Tensor, weight: number) => {
        const old = mean.sparseMask(g).values();
        const change = targets.sub(old).mul_(weight);
        mean.add_(sparse(change));
        return change.add_(old);
      };
      const m = average(state.expAvg[i]!, values, 1 - beta1);
      const v = average(state.expAvgSq[i]!, values.pow(2), 1 - beta2);
      param.sub_(sparse(m.div_(v.sqrt_().add_(group.eps)).mul_(sizes[i]!)));
    }
  }
}
