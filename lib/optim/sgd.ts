// Stochastic gradient descent with momentum, as `torch.optim.SGD`: in one fused call for all parameters that share a device
// and a dtype, else operator by operator.
//
//   g ← ∇f(θ) (−∇f where maximize) + weightDecay·θ
//   b ← g in a parameter's first step, else momentum·b + (1 − dampening)·g
//   θ ← θ − lr·(g + momentum·b where nesterov, else b; g without momentum)

import { IsotorchError } from '../errors.js';
import { optimizers, type SettingsOf, type StateOf } from '../known/optimizers.js';
import { torch } from '../tensor/index.js';
import type { Batch } from './batch.js';
import { descend_, descent, scale_, scaled } from './foreach.js';
import { type AmpOptions, Optimizer, type Params } from './optimizer.js';
import type { ParamGroup } from './paramGroup.js';
import { type KeptBy, like } from './state.js';

type Settings = SettingsOf<'SGD'>;
export type SGDOptions = Partial<Settings>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example
 * const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
 * @example new optim.SGD([{ params: body }, { params: head, lr: 0.01 }], { lr: 0.1 });
 */
export class SGD extends Optimizer<Settings> {
  protected override readonly hasFused = true;
  protected override readonly takesSparse = true;
  protected override readonly kept: KeptBy<'SGD'> = {
    momentumBuffer: {
      ...like(),
      when: ({ momentum, isCycled }) => momentum !== 0 || isCycled,
    },
  };

  constructor(params: Params<Settings>, options: SGDOptions = {}) {
    super(optimizers.SGD, params, options);
  }

  protected override check({ nesterov, momentum, dampening }: ParamGroup & Settings): void {
    if (nesterov && (momentum === 0 || dampening !== 0))
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected a momentum above 0 and dampening 0 for nesterov but received momentum ${momentum} and dampening ${dampening}`,
      );
  }

  protected override update(batch: Batch<StateOf<'SGD'>>, group: ParamGroup & Settings, amp: AmpOptions): void {
    const { params, gradients, isFirst, device } = batch;
    const buffers = batch.state.momentumBuffer;
    const lr = group.lrOn(device);
    const { weightDecay, momentum, dampening, nesterov, maximize } = group;
    if (batch.isFused) {
      const settings = { weightDecay, momentum, lr, dampening, nesterov, maximize, isFirstStep: isFirst };
      torch._fusedSgd_(params, gradients, buffers, { ...settings, ...amp });
      return;
    }
    let g = descent(params, gradients, group);
    if (buffers.length > 0) {
      const factor = group.momentumOn(device);
      if (isFirst)
        torch._foreachAdd_(buffers, g); // they are zeros, and sparse gradients can't be copied
      else {
        scale_(buffers, factor);
        torch._foreachAdd_(buffers, g, { alpha: 1 - dampening });
      }
      g = nesterov ? torch._foreachAdd(g, scaled(buffers, factor)) : buffers;
    }
    descend_(params, g, lr);
  }
}
