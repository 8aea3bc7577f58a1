// Detectors by name, for manifests, saved files and the command line: lib/known/detectors.ts says which there are and what
// settings they have, here stands what makes them.

import type {
  DetectorName,
  DetectorSettings,
  detectorSpecs,
  ShapingName,
  ShapingSettings,
} from '../../known/detectors.js';
import { parseDetector } from '../../known/parseDetector.js';
import { autogradNorm } from '../images/gradNorm.js';
import { gram } from '../images/gram.js';
import type { AnyDetector, FittedImageDetector, ImageDetector } from '../images/imageDetector.js';
import { inputMahalanobis } from '../images/inputMahalanobis.js';
import { mahalanobisEnsemble } from '../images/mahalanobisEnsemble.js';
import { odin } from '../images/odin.js';
import { rankFeat } from '../images/rankFeat.js';
import { react, vra } from '../shaping/clipping.js';
import { ashB, ashP, ashS, scale } from '../shaping/pruning.js';
import { shaped } from '../shaping/shaped.js';
import type { Shaping } from '../shaping/shaping.js';
import type { Detector, FittedDetector } from './detector.js';
import { dice } from './dice.js';
import { energy } from './energy.js';
import { fdbd } from './fdbd.js';
import { gen } from './gen.js';
import { gradNorm } from './gradNorm.js';
import { maxMeanLogit, maxMeanLogitEntropic, maxMeanLogitEntropicProbability } from './isomaxScores.js';
import { klMatching } from './klMatching.js';
import { knn } from './knn.js';
import { entropic, maxLogit, maxProbability, minDistance } from './logitScores.js';
import { mahalanobis } from './mahalanobis.js';
import { nci } from './nci.js';
import { nnguide } from './nnguide.js';
import { openMax } from './openmax.js';
import { relation } from './relation.js';
import { residual } from './residual.js';
import { rmds } from './rmds.js';
import { she } from './she.js';
import { scaledMaxProbability, temperatureScaling } from './temperature.js';
import { vim } from './vim.js';

/** What the table says of a detector, as its type. */
type DetectorOf<N extends DetectorName> = 'network' extends (typeof detectorSpecs)[N]['needs'][number]
  ? (typeof detectorSpecs)[N]['fitsOn'] extends null
    ? ImageDetector
    : FittedImageDetector
  : (typeof detectorSpecs)[N]['fitsOn'] extends null
    ? Detector
    : FittedDetector;

const detectors: { readonly [N in DetectorName]: (settings: DetectorSettings<N>) => DetectorOf<N> } = {
  mps: maxProbability,
  es: entropic,
  mds: minDistance,
  mmls: maxMeanLogit,
  mmles: maxMeanLogitEntropic,
  mmleps: maxMeanLogitEntropicProbability,
  mls: maxLogit,
  energy,
  gen,
  'scaled-mps': scaledMaxProbability,
  'temp-scale': temperatureScaling,
  'kl-matching': klMatching,
  openmax: openMax,
  dice,
  gradnorm: gradNorm,
  mahalanobis,
  rmds,
  knn,
  vim,
  residual,
  she,
  fdbd,
  nnguide,
  relation,
  nci,
  odin,
  'input-mahalanobis': inputMahalanobis,
  'mahalanobis-ensemble': mahalanobisEnsemble,
  gram,
  rankfeat: rankFeat,
  'gradnorm-autograd': autogradNorm,
};

const shapings: { readonly [N in ShapingName]: (settings: ShapingSettings<N>) => Shaping } = {
  react,
  vra,
  'ash-b': ashB,
  'ash-p': ashP,
  'ash-s': ashS,
  scale,
};

/**
 * A detector by its name, new and not fitted. `energy+react` is the detector `energy` behind the activation shaping `react`,
 * whose settings stand under its name.
 *
 * @param settings those that differ from the defaults
 * @throws ERR_ARGUMENT for names and settings that don't exist, with those that do and the one that was probably meant; for
 *   values out of range
 * @example
 * byName('gen', { gamma: 0.5 });
 * byName('energy+react', { react: { percentile: 95 } });
 */
export function byName<N extends DetectorName>(name: N, settings?: DetectorSettings<N>): DetectorOf<N>;
export function byName(name: `${string}+${string}`, settings?: unknown): Detector;
// For names that are known when the program runs; of those that the compiler knows only the right ones will do.
export function byName<S extends string>(
  name: S & (string extends S ? unknown : never),
  settings?: unknown,
): AnyDetector;
export function byName(name: string, settings: unknown = {}): AnyDetector {
  const spec = parseDetector(name, settings);
  const make = detectors[spec.name] as (settings: unknown) => AnyDetector;
  return spec.shapings.reduce<AnyDetector>((detector, shaping) => {
    const shape = shapings[shaping.name] as (settings: unknown) => Shaping;
    return shaped(shape(shaping.settings), detector as Detector);
  }, make(spec.settings));
}
