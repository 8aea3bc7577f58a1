// A detector in words: `energy+react` and some settings, from a program, a file or a command line, taken apart and checked.

import { expected, IsotorchError } from '../errors.js';
import { type Settings, unknownName } from './detectorSettings.js';
import {
  type DetectorEntry,
  type DetectorName,
  detectorNames,
  detectorSettings,
  detectorSpecs,
  namesElsewhere,
  type ShapingName,
  shapingNames,
  shapingSettings,
  shapingSpecs,
} from './detectors.js';
import { isNameOf, rowOf } from './table.js';

/** A detector in words: which one, with which settings (all of them), behind which activation shapings. */
export interface DetectorSpec {
  readonly name: DetectorName;
  readonly settings: Settings;
  /** Innermost first: the last one sees the features first. */
  readonly shapings: readonly { readonly name: ShapingName; readonly settings: Settings }[];
}

/**
 * Checks a detector's name and settings. `energy+react` is `energy` behind the shaping `react`, whose settings stand under
 * its name.
 *
 * @throws ERR_ARGUMENT for names and settings that don't exist, with the one that was probably meant; values out of range
 * @example parseDetector('energy+react', { temperature: 1, react: { percentile: 95 } });
 */
export function parseDetector(name: string, settings: unknown = {}): DetectorSpec {
  if (typeof name !== 'string') throw expected('the name of a detector', 'name', name);
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw expected('an object of settings', `${name}’s settings`, settings);
  const [base, ...after] = name.split('+') as [string, ...string[]];
  if (!isNameOf(detectorSpecs, base)) throw unknownName('detector', base, detectorNames, rowOf(namesElsewhere, base));
  const { needs }: DetectorEntry = detectorSpecs[base];
  if (after.length > 0 && needs.includes('network'))
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `Expected no activation shaping with ${base}, which runs the network itself, but received ${name}`,
    );
  const given = new Map<string, unknown>(Object.entries(settings));
  const shapings = after.map((shaping, i) => {
    if (!isNameOf(shapingSpecs, shaping)) throw unknownName('activation shaping', shaping, shapingNames);
    if (after.indexOf(shaping) < i)
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected each activation shaping once but ${shaping} comes twice in ${name}`,
      );
    const own = shapingSettings(shaping, given.get(shaping) ?? {}) as Settings;
    given.delete(shaping);
    return { name: shaping, settings: own };
  });
  return { name: base, settings: detectorSettings(base, Object.fromEntries(given)) as Settings, shapings };
}
