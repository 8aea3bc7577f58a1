// Every detector and activation shaping that can be asked for by name, with its settings, as plain data: manifests and the
// command line's help are checked against it without loading LibTorch. Defaults are those of the papers and OpenOOD.
// A new detector is one entry here and one in registry.ts; the types keep the two together.

import { expected, IsotorchError } from '../../errors.js';
import type { Settings } from './detector.js';
import { type SettingSpecs, type SettingsOf, settled, unknownName } from './settings.js';

const temperature = { kind: 'number', above: 0, about: 'T, which divides the logits' } as const;
const percentile = { kind: 'number', min: 0, max: 100 } as const;
const pruned = {
  ...percentile,
  about: 'How many per cent of an image’s activations are pruned, the smallest ones',
} as const;

export const detectorSpecs = {
  mps: {},
  es: {},
  mds: {},
  mmls: {},
  mmles: {},
  mmleps: {},
  mls: {},
  energy: { temperature: { ...temperature, default: 1 } },
  gen: {
    gamma: { kind: 'number', default: 0.1, above: 0, max: 1, about: 'γ, the exponent; small values look at the tail' },
    top: {
      kind: 'number',
      default: 100,
      min: 1,
      integer: true,
      about: 'M, how many of the largest probabilities count',
    },
  },
  'scaled-mps': { temperature: { ...temperature, default: 1000 } },
  'temp-scale': {},
  'kl-matching': {},
  openmax: {
    tail: {
      kind: 'number',
      default: 20,
      min: 2,
      integer: true,
      about: 'How many of a class’s largest distances are fitted',
    },
    alpha: {
      kind: 'number',
      default: 3,
      min: 1,
      integer: true,
      about: 'α, how many of the largest logits are revised',
    },
  },
  dice: {
    percentile: { ...percentile, default: 90, about: 'How many per cent of the head’s contributions are left out' },
  },
  gradnorm: {},
} as const satisfies Record<string, SettingSpecs>;

export const shapingSpecs = {
  react: {
    percentile: { ...percentile, default: 90, about: 'Of all training activations: what lies above is cut down to it' },
  },
  vra: {
    low: {
      ...percentile,
      default: 10,
      about: 'Percentile of all training activations up to which they count as small',
    },
    high: { ...percentile, default: 90, about: 'Percentile of all training activations to which larger ones are cut' },
    below: {
      kind: 'choice',
      default: 'clip',
      choices: ['clip', 'zero'],
      about: 'What becomes of small ones: raised to the low percentile, as in OpenOOD, or zero, as in the paper',
    },
  },
  'ash-b': { percentile: { ...pruned, default: 90 } },
  'ash-p': { percentile: { ...pruned, default: 90 } },
  'ash-s': { percentile: { ...pruned, default: 90 } },
  scale: {
    percentile: {
      ...percentile,
      default: 85,
      about: 'How many per cent of an image’s activations are not in the sum s2',
    },
  },
} as const satisfies Record<string, SettingSpecs>;

export type DetectorName = keyof typeof detectorSpecs;
export type ShapingName = keyof typeof shapingSpecs;

/** What a maker of detectors takes: any of its settings. */
export type DetectorSettings<N extends DetectorName> = Partial<SettingsOf<(typeof detectorSpecs)[N]>>;
export type ShapingSettings<N extends ShapingName> = Partial<SettingsOf<(typeof shapingSpecs)[N]>>;

export const detectorNames = Object.keys(detectorSpecs) as readonly DetectorName[];
export const shapingNames = Object.keys(shapingSpecs) as readonly ShapingName[];

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
  if (!isOneOf(detectorNames, base)) throw unknownName('detector', base, detectorNames);
  const shapings: ShapingName[] = [];
  for (const shaping of after) {
    if (!isOneOf(shapingNames, shaping)) throw unknownName('activation shaping', shaping, shapingNames);
    if (shapings.includes(shaping))
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected each activation shaping once but ${shaping} comes twice in ${name}`,
      );
    shapings.push(shaping);
  }
  const given = Object.entries(settings);
  const own = given.filter(([key]) => !isOneOf(shapings, key));
  return {
    name: base,
    settings: settled(base, detectorSpecs[base], Object.fromEntries(own)),
    shapings: shapings.map((shaping) => ({
      name: shaping,
      settings: settled(shaping, shapingSpecs[shaping], given.find(([key]) => key === shaping)?.[1] ?? {}),
    })),
  };
}

const isOneOf = <T extends string>(names: readonly T[], name: string): name is T =>
  (names as readonly string[]).includes(name);
