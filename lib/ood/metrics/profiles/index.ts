// The peers' definitions by name: what a paper or library would print for the same scores, ties and all: to the last bit, but
// for pytorch-ood, whose float32 sums depend on the processor.
// They are for comparing with numbers that others have published; for numbers of one's own there is `measureAll`.

import { expected } from '../../../errors.js';
import { type ProfileName, profileNames } from '../../../known/metrics.js';
import { hendrycks } from './hendrycks.js';
import { isomaxPaper } from './isomaxPaper.js';
import { odinOriginal } from './odinOriginal.js';
import { openood10, openood15 } from './openood.js';
import { pytorchOod } from './pytorchOod.js';

const PROFILES = {
  'isomax-paper': { name: 'isomax-paper', measure: isomaxPaper },
  'openood-1.5': { name: 'openood-1.5', measure: openood15 },
  'openood-1.0': { name: 'openood-1.0', measure: openood10 },
  'pytorch-ood': { name: 'pytorch-ood', measure: pytorchOod },
  hendrycks: { name: 'hendrycks', measure: hendrycks },
  'odin-original': { name: 'odin-original', measure: odinOriginal },
} as const satisfies { readonly [N in ProfileName]: { readonly name: N; measure: (...scores: never[]) => object } };

export type Profile<N extends ProfileName = ProfileName> = (typeof PROFILES)[N];

export { type ProfileName, profileNames as PROFILE_NAMES } from '../../../known/metrics.js';

/**
 * A peer's definition of its figures. `measure(idScores, oodScores)` takes scores that are larger for known images, whatever
 * the peer's own convention, and gives the peer's figures, as fractions, under the peer's names.
 *
 * @throws ERR_ARGUMENT for another name; `measure`: ERR_DATA for empty lists, NaN and infinities, as `measureAll`
 * @example
 * profile('isomax-paper').measure([1, 1], [1, 1]).AUROC; // 0: it counts ties against the detector
 */
export function profile<N extends ProfileName>(name: N): Profile<N> {
  if (!Object.hasOwn(PROFILES, name)) throw expected(`one of ${profileNames.join(', ')}`, 'profile', name);
  return PROFILES[name];
}

export type { HendrycksMetrics } from './hendrycks.js';
export type { IsomaxPaperMetrics } from './isomaxPaper.js';
export type { OdinOriginalMetrics, OdinOriginalOptions } from './odinOriginal.js';
export type { OpenoodMetrics } from './openood.js';
export type { PytorchOodMetrics } from './pytorchOod.js';
