// Detectors as a manifest chooses them: names and settings are checked against the table of lib/known, without LibTorch. `energy+react` is `energy` behind the activation shaping `react`, whose settings stand under its name.

import { checkOf, type Setting, type SettingSpecs, type Settings } from '../../known/detectorSettings.js';
import {
  type DetectorEntry,
  type DetectorNeed,
  detectorSpecs,
  type FitsOn,
  namesElsewhere,
  type ShapingEntry,
  shapingSpecs,
} from '../../known/detectors.js';
import { parseDetector } from '../../known/parseDetector.js';
import { didYouMean } from '../../nearest.js';
import { checked, type Field, named, optional, record, refine, type Shape } from './shapes.js';

export interface DetectorSchemas {
  readonly detectors: Readonly<Record<string, DetectorEntry>>;
  readonly shapings: Readonly<Record<string, ShapingEntry>>;
  /** Hints for words that people know from elsewhere: `msp` → “The maximum softmax probability is called `mps` here.” */
  readonly aside: Readonly<Record<string, string>>;
}

/** Those of isotorch. */
export const ownDetectors: DetectorSchemas = {
  detectors: detectorSpecs,
  shapings: shapingSpecs,
  aside: namesElsewhere,
};

/** A detector as a manifest chooses it. */
export interface DetectorChoice {
  /** `energy+react` */
  readonly name: string;
  /** Every setting, defaults included; those of a shaping under its name. */
  readonly settings: Settings;
  /** How results name it: `knn`, or with other settings than the defaults `knn(k=10)`. */
  readonly label: string;
  readonly needs: readonly DetectorNeed[];
  readonly fitsOn: FitsOn | null;
}

/** A detector with its settings: `knn` or `knn: { k: 10 }`. */
export function detectorShape(schemas: DetectorSchemas): Shape<DetectorChoice> {
  const { detectors, shapings, aside } = schemas;
  return named({
    expects: `a detector (${Object.keys(detectors).join(', ')})`,
    find(name) {
      const parts = partsOf(name, schemas);
      return (
        parts &&
        refine(settingsShape(name, parts), (settings, origin, report) =>
          report.keep(choose(name, parts, settings), origin),
        )
      );
    },
    hint(name) {
      const plain = name.toLowerCase();
      if (Object.hasOwn(aside, plain)) return aside[plain]!;
      if (Object.hasOwn(shapings, plain))
        return `${plain} shapes activations for a detector: write \`energy+${plain}\`.`;
      const [base = '', ...after] = name.split('+');
      const wrong = after.find((each) => !Object.hasOwn(shapings, each));
      if (!Object.hasOwn(detectors, base) || wrong === undefined) return didYouMean(base, Object.keys(detectors));
      return didYouMean(wrong, Object.keys(shapings)) ?? `After + stands one of ${Object.keys(shapings).join(', ')}.`;
    },
  });
}

/** Every detector of the table with its defaults, none of them behind a shaping. */
export function allDetectors(schemas: DetectorSchemas): DetectorChoice[] {
  return Object.keys(schemas.detectors).map((name) => {
    const parts = partsOf(name, schemas)!;
    return choose(name, parts, defaultsOf(parts.detector.settings));
  });
}

/**
 * A detector with its default settings, called by its name.
 * @throws ERR_ARGUMENT for a name that means nothing
 */
export function detectorChoice(name: string): DetectorChoice {
  const { settings, shapings } = parseDetector(name);
  const own = Object.fromEntries(shapings.map((shaping) => [shaping.name, shaping.settings]));
  return choose(name, partsOf(name, ownDetectors)!, { ...settings, ...own });
}

interface Parts {
  readonly detector: DetectorEntry;
  readonly shapings: readonly (readonly [name: string, schema: ShapingEntry])[];
}

/** Of `energy+react`; undefined where one of the names means nothing, or a network would have to be run in between. */
function partsOf(name: string, { detectors, shapings }: DetectorSchemas): Parts | undefined {
  const [base = '', ...after] = name.split('+');
  if (!Object.hasOwn(detectors, base) || !after.every((each) => Object.hasOwn(shapings, each))) return undefined;
  const detector = detectors[base]!;
  if (new Set(after).size < after.length || (after.length > 0 && detector.needs.includes('network'))) return undefined;
  return { detector, shapings: after.map((each) => [each, shapings[each]!] as const) };
}

function choose(name: string, { detector, shapings }: Parts, settings: Settings): DetectorChoice {
  const changed = [
    ...changes(settings, detector.settings),
    ...shapings.flatMap(([shaping, schema]) => changes(settings[shaping] as Settings, schema.settings, `${shaping}.`)),
  ];
  const adds = shapings.length > 0 ? (['features', 'head'] as const) : [];
  return {
    name,
    settings,
    label: changed.length === 0 ? name : `${name}(${changed.join(',')})`,
    needs: [...new Set([...detector.needs, ...adds])],
    fitsOn: detector.fitsOn ?? shapings.map(([, { fitsOn }]) => fitsOn).find((each) => each !== null) ?? null,
  };
}

/** `k=10` for each setting that is not the default, in the order of the table. */
function changes(settings: Settings, schemas: SettingSpecs, prefix = ''): string[] {
  return Object.entries(schemas).flatMap(([key, schema]) => {
    const value = settings[key]!;
    if (JSON.stringify(value) === JSON.stringify(schema.default)) return [];
    return [`${prefix}${key}=${Array.isArray(value) ? value.join('+') : value}`];
  });
}

const defaultsOf = (schemas: SettingSpecs): Settings =>
  Object.fromEntries(Object.entries(schemas).map(([key, schema]) => [key, schema.default]));

function settingsShape(name: string, { detector, shapings }: Parts): Shape<Settings> {
  const own = fieldsOf(detector.settings);
  const inner = shapings.map(([shaping, { settings }]): [string, Field<Setting>] => [
    shaping,
    optional<Setting, Setting>(record(`the settings of ${shaping}`, fieldsOf(settings)), defaultsOf(settings)),
  ]);
  return record(`the settings of ${name}`, { ...own, ...Object.fromEntries(inner) });
}

function fieldsOf(schemas: SettingSpecs): Record<string, Field<Setting>> {
  const fields = Object.entries(schemas).map(
    ([key, schema]) => [key, optional<Setting, Setting>(checked<Setting>(checkOf(schema)), schema.default)] as const,
  );
  return Object.fromEntries(fields);
}
