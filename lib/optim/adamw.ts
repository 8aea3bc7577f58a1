// Adam with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW`: Adam but for the decay, which comes off
// the parameters themselves and is 0.01 if nothing is said.

import { optimizers, type SettingsOf } from '../known/optimizers.js';
import { Adam } from './adam.js';
import type { Params } from './optimizer.js';

type Settings = SettingsOf<'AdamW'>;
export type AdamWOptions = Partial<Omit<Settings, 'decoupledWeightDecay'>>;

/**
 * @throws ERR_ARGUMENT for no parameters, one given twice, or settings out of range.
 * @example new optim.AdamW(model.parameters(), { lr: 1e-3, weightDecay: 0.05 });
 */
export class AdamW extends Adam {
  constructor(params: Params<Settings>, options: AdamWOptions = {}) {
    super(params, options, optimizers.AdamW);
  }
}
