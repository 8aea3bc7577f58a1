// What detectors there are, as plain data: their settings with types, ranges and defaults, and what they read. The manifest is
// checked against a table of these, and the plan drawn up from it, without LibTorch.

import type { Need, Setting, Settings } from '../../ood/index.js';
import { describeLocated, type Located } from './located.js';
import {
  boolean,
  choice,
  type Field,
  list,
  type NumberLimits,
  number,
  record,
  refine,
  type Shape,
  variant,
} from './shapes.js';

export type SettingSchema =
  | ({ readonly type: 'number' | 'integer'; readonly default: number | null } & Omit<NumberLimits, 'integer'>)
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'choice'; readonly of: readonly string[]; readonly default: string }
  | { readonly type: 'numbers'; readonly default: readonly number[]; readonly item: NumberLimits }
  /** One of several things with settings of their own, or none: `shape: { react: { percentile: 90 } }`. */
  | {
      readonly type: 'variant';
      readonly of: Readonly<Record<string, SettingSchemas>>;
      readonly default: null;
      /** What the detector reads besides where this is set. */
      readonly adds: readonly DetectorNeed[];
      /** Whether what is set learns from training images. */
      readonly learns?: readonly string[];
    };
export type SettingSchemas = Readonly<Record<string, SettingSchema>>;

/** `model`: the detector runs the network itself, with gradients or inner layers. */
export type DetectorNeed = Need | 'model';

export interface DetectorSchema {
  readonly settings: SettingSchemas;
  /** What `score` and `fit` read. */
  readonly needs: readonly DetectorNeed[];
  /** Whether it has to be fitted to training images. */
  readonly learns: boolean;
}

export interface DetectorSchemas {
  readonly detectors: Readonly<Record<string, DetectorSchema>>;
  /** Hints for words that people know from elsewhere: `msp` → “Write `mps`, …”. */
  readonly aside: Readonly<Record<string, string>>;
}

/** A detector as a manifest chooses it. */
export interface DetectorChoice {
  readonly name: string;
  /** Every setting, defaults included. */
  readonly settings: Settings;
  /** How results name it: `knn`, or with other settings than the defaults `knn(k=10)`. */
  readonly label: string;
  readonly needs: readonly DetectorNeed[];
  readonly learns: boolean;
}

/** A detector with its settings: `knn` or `knn: { k: 10 }`. */
export function detectorShape({ detectors, aside }: DetectorSchemas): Shape<DetectorChoice> {
  const settings = Object.entries(detectors).map(
    ([name, schema]) => [name, settingsShape(name, schema.settings)] as const,
  );
  return refine(variant('a detector', Object.fromEntries(settings), aside), ([name, chosen], origin, report) =>
    report.keep(choose(name, detectors[name]!, chosen), origin),
  );
}

/** Every detector of the table with its defaults. */
export function allDetectors({ detectors }: DetectorSchemas): DetectorChoice[] {
  return Object.entries(detectors).map(([name, schema]) => choose(name, schema, defaultsOf(schema.settings)));
}

function choose(name: string, schema: DetectorSchema, settings: Settings): DetectorChoice {
  const set = Object.entries(schema.settings).flatMap(([key, setting]) =>
    setting.type === 'variant' && settings[key] !== null ? [{ ...setting, chosen: nameOf(settings[key]!) }] : [],
  );
  return {
    name,
    settings,
    label: labelOf(name, settings, schema.settings),
    needs: [...new Set([...schema.needs, ...set.flatMap(({ adds }) => adds)])],
    learns: schema.learns || set.some(({ learns = [], chosen }) => learns.includes(chosen)),
  };
}

const defaultsOf = (schemas: SettingSchemas): Settings =>
  Object.fromEntries(Object.entries(schemas).map(([key, schema]) => [key, schema.default]));

/** `{ react: { percentile: 90 } }` → `react`. */
const nameOf = (value: Setting): string => Object.keys(value as object)[0] ?? '';

function settingsShape(what: string, schemas: SettingSchemas): Shape<Settings> {
  const fields = Object.entries(schemas).map(([key, schema]): [string, Field<Setting>] => [
    key,
    { shape: settingShape(key, schema), required: false, value: schema.default },
  ]);
  return record<Record<string, Setting>>(`the settings of ${what}`, Object.fromEntries(fields));
}

function settingShape(key: string, schema: SettingSchema): Shape<Setting> {
  switch (schema.type) {
    case 'number':
      return schema.default === null ? orNull(number(schema)) : number(schema);
    case 'integer': {
      const whole = number({ ...schema, integer: true });
      return schema.default === null ? orNull(whole) : whole;
    }
    case 'boolean':
      return boolean;
    case 'choice':
      return choice(schema.of);
    case 'numbers':
      return list(number(schema.item));
    case 'variant': {
      const options = Object.entries(schema.of).map(([name, inner]) => [name, settingsShape(name, inner)] as const);
      return refine(orNull(variant(`a ${key}`, Object.fromEntries(options))), (chosen): Setting | undefined =>
        chosen === null ? null : { [chosen[0]]: chosen[1] },
      );
    }
  }
}

/** `null` as YAML writes it, besides what a shape takes. */
function orNull<T>(shape: Shape<T>): Shape<T | null> {
  return {
    expects: shape.expects,
    read: (node: Located, path, report) =>
      node.kind === 'scalar' && node.value === null && describeLocated(node) === 'nothing'
        ? null
        : shape.read(node, path, report),
  };
}

/** The name with what differs from the defaults, in the order of the table: `energy(shape=react(percentile=85))`. */
function labelOf(name: string, settings: Settings, schemas: SettingSchemas): string {
  const parts = Object.entries(schemas).flatMap(([key, schema]) => {
    const value = settings[key]!;
    if (JSON.stringify(value) === JSON.stringify(schema.default)) return [];
    if (schema.type !== 'variant') return [`${key}=${Array.isArray(value) ? value.join('+') : value}`];
    const chosen = nameOf(value);
    return [`${key}=${labelOf(chosen, (value as Record<string, Settings>)[chosen]!, schema.of[chosen]!)}`];
  });
  return parts.length === 0 ? name : `${name}(${parts.join(',')})`;
}
