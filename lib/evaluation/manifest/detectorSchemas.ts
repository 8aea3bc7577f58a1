// What detectors there are, as plain data: their settings with types, ranges and defaults, and what they read. The manifest is
// checked against a table of these, and the plan drawn up from it, without LibTorch. Names and settings are those that make a
// detector: `energy+react` is `energy` behind the activation shaping `react`, whose settings stand under its name.

import type { Need, Setting, Settings } from '../../ood/index.js';
import { didYouMean } from './hints.js';
import {
  boolean,
  choice,
  type Field,
  list,
  type NumberLimits,
  named,
  number,
  optional,
  orNull,
  record,
  refine,
  type Shape,
} from './shapes.js';

export type SettingSchema =
  | ({ readonly kind: 'number'; readonly default: number | null } & NumberLimits)
  | { readonly kind: 'flag'; readonly default: boolean }
  | { readonly kind: 'choice'; readonly choices: readonly string[]; readonly default: string }
  | { readonly kind: 'numbers'; readonly item: NumberLimits; readonly default: readonly number[] };
export type SettingSchemas = Readonly<Record<string, SettingSchema>>;

/** `network`: the detector runs the network itself, with gradients or inner layers. */
export type DetectorNeed = Need | 'network';

export interface DetectorSchema {
  readonly settings: SettingSchemas;
  /** What `score` and `fit` read. */
  readonly needs: readonly DetectorNeed[];
  /** The known images that it is fitted on: those of training, or others of their kind; null if it learns nothing. */
  readonly fitsOn: FitsOn | null;
}
export type FitsOn = 'train' | 'validation';

/** Activation shaping, which changes the features before the head turns them into logits. */
export type ShapingSchema = Pick<DetectorSchema, 'settings' | 'fitsOn'>;

export interface DetectorSchemas {
  readonly detectors: Readonly<Record<string, DetectorSchema>>;
  readonly shapings: Readonly<Record<string, ShapingSchema>>;
  /** Hints for words that people know from elsewhere: `msp` → “The maximum softmax probability is called `mps` here.” */
  readonly aside: Readonly<Record<string, string>>;
}

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

interface Parts {
  readonly detector: DetectorSchema;
  readonly shapings: readonly (readonly [name: string, schema: ShapingSchema])[];
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
function changes(settings: Settings, schemas: SettingSchemas, prefix = ''): string[] {
  return Object.entries(schemas).flatMap(([key, schema]) => {
    const value = settings[key]!;
    if (JSON.stringify(value) === JSON.stringify(schema.default)) return [];
    return [`${prefix}${key}=${Array.isArray(value) ? value.join('+') : value}`];
  });
}

const defaultsOf = (schemas: SettingSchemas): Settings =>
  Object.fromEntries(Object.entries(schemas).map(([key, schema]) => [key, schema.default]));

function settingsShape(name: string, { detector, shapings }: Parts): Shape<Settings> {
  const own = fieldsOf(detector.settings);
  const inner = shapings.map(([shaping, { settings }]): [string, Field<Setting>] => [
    shaping,
    optional<Setting, Setting>(record(`the settings of ${shaping}`, fieldsOf(settings)), defaultsOf(settings)),
  ]);
  return record(`the settings of ${name}`, { ...own, ...Object.fromEntries(inner) });
}

function fieldsOf(schemas: SettingSchemas): Record<string, Field<Setting>> {
  const fields = Object.entries(schemas).map(
    ([key, schema]) => [key, optional<Setting, Setting>(settingShape(schema), schema.default)] as const,
  );
  return Object.fromEntries(fields);
}

function settingShape(schema: SettingSchema): Shape<Setting> {
  switch (schema.kind) {
    case 'number':
      return schema.default === null ? orNull(number(schema)) : number(schema);
    case 'flag':
      return boolean;
    case 'choice':
      return choice(schema.choices);
    case 'numbers':
      return list(number(schema.item));
  }
}
