// Detectors by name, for manifests, saved files and the command line: names.ts says which there are and what settings they
// have, here stands what makes them.

import { react, vra } from '../shaping/clipping.js';
import { ashB, ashP, ashS, scale } from '../shaping/pruning.js';
import { shaped } from '../shaping/shaped.js';
import type { Shaping } from '../shaping/shaping.js';
import type { Detector } from './detector.js';
import { dice } from './dice.js';
import { energy } from './energy.js';
import { gen } from './gen.js';
import { gradNorm } from './gradNorm.js';
import { maxMeanLogit, maxMeanLogitEntropic, maxMeanLogitEntropicProbability } from './isomaxScores.js';
import { klMatching } from './klMatching.js';
import { entropic, maxLogit, maxProbability, minDistance } from './logitScores.js';
import {
  type DetectorName,
  type DetectorSettings,
  parseDetector,
  type ShapingName,
  type ShapingSettings,
} from './names.js';
import { openMax } from './openmax.js';
import { scaledMaxProbability, temperatureScaling } from './temperature.js';

const detectors: { readonly [N in DetectorName]: (settings: DetectorSettings<N>) => Detector } = {
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
export function byName<N extends DetectorName>(name: N, settings?: DetectorSettings<N>): Detector;
export function byName(name: string, settings?: unknown): Detector;
export function byName(name: string, settings: unknown = {}): Detector {
  const spec = parseDetector(name, settings);
  const make = detectors[spec.name] as (settings: unknown) => Detector;
  return spec.shapings.reduce((detector, shaping) => {
    const shape = shapings[shaping.name] as (settings: unknown) => Shaping;
    return shaped(shape(shaping.settings), detector);
  }, make(spec.settings));
}
