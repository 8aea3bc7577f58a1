// Dropout layers, a row each: in training they drop at random, in evaluation they give back their input.

import { flag, probability } from '../fields.js';
import type { InplaceOptions } from '../functional/activations.js';
import * as F from '../functional/dropout.js';
import { layer } from '../layer.js';

type Arguments = [p?: number, options?: InplaceOptions];
const fields = { p: probability(0.5), inplace: flag(false) };

/**
 * Sets each element to 0 with probability `p`, 0.5, and divides the others by 1 − p (Srivastava et al. 2014;
 * `torch.nn.Dropout`). Random numbers come from the default generator of the input's device.
 * @example new nn.Dropout(0.2)
 */
export class Dropout extends layer<Arguments>()(fields, (x, settings) => F.dropout(x, settings.p, settings)) {}

/** Drops whole channels of [N, C, L] or [C, L] (`torch.nn.Dropout1d`). */
export class Dropout1d extends layer<Arguments>()(fields, (x, settings) => F.dropout1d(x, settings.p, settings)) {}

/** Drops whole channels of [N, C, H, W] (`torch.nn.Dropout2d`). */
export class Dropout2d extends layer<Arguments>()(fields, (x, settings) => F.dropout2d(x, settings.p, settings)) {}

/** Drops whole channels of [N, C, D, H, W] or [C, D, H, W] (`torch.nn.Dropout3d`). */
export class Dropout3d extends layer<Arguments>()(fields, (x, settings) => F.dropout3d(x, settings.p, settings)) {}

/** Dropout for SELU networks, which keeps mean and variance (`torch.nn.AlphaDropout`). */
export class AlphaDropout extends layer<Arguments>()(fields, (x, { p, training }) =>
  F.alphaDropout(x, p, { training }),
) {}

/** The same for whole channels (`torch.nn.FeatureAlphaDropout`). */
export class FeatureAlphaDropout extends layer<Arguments>()(fields, (x, { p, training }) =>
  F.featureAlphaDropout(x, p, { training }),
) {}
