// A small language for what a manifest may hold. A shape says in words what it expects and reads a located value, noting every
// mistake and going on; shapes are put together like the types they give. What a shape returns may lack the parts that were
// wrong, so a result counts only if there is no mistake at all.

import { resolve } from 'node:path';
import { type Check, choiceCheck, type NumberLimits, numberCheck } from '../../known/detectorSettings.js';
import { didYouMean, nearest } from '../../nearest.js';
import { printable } from '../../printable.js';
import { describeLocated, type Located, type LocatedMap } from './located.js';
import type { Mistake, Place } from './mistakes.js';

export interface Shape<T> {
  /** In words: `a whole number of 1 or more`. */
  readonly expects: string;
  /** Undefined where nothing could be read; the report then has a mistake more. */
  read(node: Located, path: string, report: Report): T | undefined;
}

/** Where a value came from. */
export interface Origin {
  readonly place: Place;
  readonly path: string;
  readonly node: Located;
}

/** A path that the manifest names, for a look at the disk. */
export interface FileUse {
  readonly file: string;
  readonly kind: FileKind;
  readonly origin: Origin;
}
export type FileKind = 'file' | 'folder';

/** Collects what reading finds. */
export class Report {
  readonly mistakes: Mistake[] = [];
  readonly files: FileUse[] = [];
  readonly #origins = new WeakMap<object, Origin>();
  readonly #base: string | undefined;

  /** @param base the folder that relative paths start from; without one they stay as they are */
  constructor(base?: string) {
    this.#base = base;
  }

  resolve(path: string): string {
    return this.#base === undefined ? path : resolve(this.#base, path);
  }

  /** Notes that something else than `expected` is at a place. */
  wrong(
    { place, path }: Pick<Origin, 'place' | 'path'>,
    expected: string,
    received: string,
    hint: string | null = null,
  ): void {
    this.mistakes.push({ ...place, path, expected, received, hint });
  }

  /** Remembers where an object came from, for checks that come later. */
  keep<T extends object>(value: T, origin: Origin): T {
    this.#origins.set(value, origin);
    return value;
  }

  /** Of an object that `keep` got. */
  originOf(value: object): Origin {
    return this.#origins.get(value) ?? { place: { line: 1, column: 1 }, path: '', node: NOTHING };
  }
}

const NOTHING: Located = { kind: 'scalar', place: { line: 1, column: 1 }, value: null, source: '' };

/** The value at a key of a map, else the map itself: the nearest place to point at. */
export function within(origin: Origin, key: string): Origin {
  const entry = origin.node.kind === 'map' ? origin.node.entries.find((each) => each.key === key) : undefined;
  return entry
    ? { place: entry.value.place, path: origin.path === '' ? key : `${origin.path}.${key}`, node: entry.value }
    : origin;
}

function refuse(report: Report, node: Located, path: string, expected: string, hint: string | null = null): undefined {
  report.wrong({ place: node.place, path }, expected, describeLocated(node), hint);
}

/** One line of text, not empty. */
export function text(expects = 'text'): Shape<string> {
  return {
    expects,
    read(node, path, report) {
      const { value } = node.kind === 'scalar' ? node : { value: undefined };
      if (typeof value === 'string' && value.trim() !== '' && !/\p{Cc}/u.test(value)) return value;
      const hint =
        typeof value === 'number' || typeof value === 'boolean' ? 'Put it into quotes to make it text.' : null;
      return refuse(report, node, path, expects, hint);
    },
  };
}

/** Letters, digits and `. _ + -`: safe in file names and in the ids of jobs. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._+-]{0,63}$/u;
export const isName = (text: string): boolean => NAME.test(text);
export const nameShape: Shape<string> = refine(
  text('a name of letters, digits and . _ + -'),
  (value, { node, path }, report) =>
    isName(value)
      ? value
      : refuse(
          report,
          node,
          path,
          'a name of letters, digits and . _ + -, at most 64, beginning with a letter or digit',
        ),
);

/** A path, resolved, whether or not something is there. */
export function pathShape(kind: FileKind): Shape<string> {
  return refine(text(`the path of a ${kind}`), (path, _, report) => report.resolve(path));
}

/** The path of something that should be there already. */
export function existing(kind: FileKind): Shape<string> {
  return refine(pathShape(kind), (file, origin, report) => {
    report.files.push({ file, kind, origin });
    return file;
  });
}

/** A scalar, or a list of them, that passes a check. */
export function checked<T>(check: Check): Shape<T> {
  const { expects, is, item } = check;
  if (item !== undefined) {
    const items = list(checked(item));
    const read: Shape<T>['read'] = (node, path, report) =>
      node.kind === 'scalar' && node.value === null && is(null)
        ? (null as T)
        : (items.read(node, path, report) as T | undefined);
    return { expects, read };
  }
  return {
    expects,
    read(node, path, report) {
      const { value } = node.kind === 'scalar' ? node : { value: undefined };
      return is(value) ? (value as T) : refuse(report, node, path, expects, slip(node, check));
    },
  };
}

/** What a person probably meant by a scalar that fails a check. */
function slip(node: Located, { is, words }: Check): string | null {
  if (node.kind !== 'scalar') return null;
  const { value, source } = node;
  if (typeof value !== 'string') return null;
  if (words !== undefined) return didYouMean(value, words);
  if (is(true) && /^(yes|no|on|off)$/i.test(source)) return 'In YAML 1.2 yes, no, on and off are text.';
  return value.trim() !== '' && is(Number(value)) ? 'Take the quotes away.' : null;
}

export const number = (limits: NumberLimits = {}): Shape<number> => checked(numberCheck(limits));
/** One of some words. */
export const choice = <const T extends string>(words: readonly T[], what = ''): Shape<T> =>
  checked(choiceCheck(words, what));

export interface ListOptions<T> {
  /** @default 1 */
  readonly least?: number;
  /** More are a slip; then none of them is read. @default any number */
  readonly most?: number;
  /** What must differ between two items; null where it doesn't matter. */
  readonly unique?: (item: T) => string | null;
}

/** A list; without `least: 0` not an empty one. Items that are wrong or there already are left out. */
export function list<T>(
  item: Shape<T>,
  { least = 1, most = Infinity, unique }: ListOptions<T> = {},
): Shape<readonly T[]> {
  const expects = `a list, each item ${item.expects}`;
  return {
    expects,
    read(node, path, report) {
      if (node.kind !== 'list') {
        const hint =
          node.kind === 'scalar' && node.value !== null
            ? `Write it as a list: [${printable(node.source).slice(0, 40)}].`
            : null;
        return refuse(report, node, path, expects, hint);
      }
      if (node.items.length < least) refuse(report, node, path, `${expects}, with at least ${least}`);
      if (node.items.length > most) {
        report.wrong(
          { place: node.place, path },
          `at most ${most.toLocaleString('en-US')}`,
          `${node.items.length}`,
          null,
        );
        return undefined;
      }
      const seen = new Map<string, Place>();
      const values: T[] = [];
      node.items.forEach((each, i) => {
        const inner = `${path}[${i}]`;
        const value = item.read(each, inner, report);
        if (value === undefined) return;
        const key = unique?.(value) ?? null;
        const first = key === null ? undefined : seen.get(key);
        if (first === undefined) values.push(value);
        else {
          const received = `${printable(key!)} again, after line ${first.line}`;
          report.wrong({ place: each.place, path: inner }, 'each item once', received, 'Remove one of them.');
        }
        if (key !== null && first === undefined) seen.set(key, each.place);
      });
      return values;
    },
  };
}

/** One entry of a record: its shape, and what stands for it where it is left out. */
export type Field<T> =
  | { readonly shape: Shape<T>; readonly required: true }
  | { readonly shape: Shape<T>; readonly required: false; readonly value: T };
export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

export const required = <T>(shape: Shape<T>): Field<T> => ({ shape, required: true });
export const optional = <T, const D>(shape: Shape<T>, value: D): Field<T | D> =>
  ({ shape, required: false, value }) as Field<T | D>;

/** A map with known keys. Undefined where a field is missing or wrong. */
export function record<T extends object>(expects: string, fields: Fields<T>): Shape<T> {
  return {
    expects,
    read(node, path, report) {
      const part = readFields(fields, expects, node, path, report);
      if (part === undefined) return undefined;
      const whole = Object.keys(fields).every((key) => key in part);
      return whole ? report.keep(part as T, { place: node.place, path, node }) : undefined;
    },
  };
}

/** As `record` reads, keeping what is right when some is wrong. */
export function readFields<T extends object>(
  fields: Fields<T>,
  expects: string,
  node: Located,
  path: string,
  report: Report,
): Partial<T> | undefined {
  if (node.kind !== 'map') return refuse(report, node, path, expects);
  const names = Object.keys(fields);
  const meant = noteUnknown(node, names, path, report);
  const part: Record<string, unknown> = {};
  for (const key of names) {
    const field: Field<unknown> = fields[key as keyof T];
    const entry = node.entries.find((each) => each.key === key);
    if (entry !== undefined) {
      const value = field.shape.read(entry.value, path === '' ? key : `${path}.${key}`, report);
      if (value !== undefined) part[key] = value;
    } else if (!field.required) part[key] = field.value;
    else if (!meant.has(key))
      report.wrong({ place: node.place, path }, `\`${key}\`: ${field.shape.expects}`, 'nothing', `Add \`${key}:\`.`);
  }
  return part as Partial<T>;
}

/** Notes keys that mean nothing here. Returns those that they were probably meant to be. */
function noteUnknown(node: LocatedMap, names: readonly string[], path: string, report: Report): Set<string> {
  const present = new Set(node.entries.map(({ key }) => key));
  const absent = names.filter((name) => !present.has(name));
  const meant = new Set<string>();
  for (const { key, place } of node.entries) {
    if (names.includes(key)) continue;
    const near = nearest(key, absent) ?? nearest(key, names);
    if (near !== null) meant.add(near);
    const inner = path === '' ? printable(key) : `${path}.${printable(key)}`;
    const known = names.length === 0 ? 'no keys' : `one of the keys ${names.join(', ')}`;
    report.wrong(
      { place, path: inner },
      known,
      `\`${printable(key).slice(0, 60)}\``,
      near && `Did you mean \`${near}\`?`,
    );
  }
  return meant;
}

/** A map with names of one's own as keys. */
export function mapOf<T>(
  key: Shape<string>,
  value: Shape<T>,
  expects: string,
): Shape<readonly (readonly [string, T])[]> {
  return {
    expects,
    read(node, path, report) {
      if (node.kind !== 'map') return refuse(report, node, path, expects);
      if (node.entries.length === 0) refuse(report, node, path, `${expects}, not empty`);
      return node.entries.flatMap((entry) => {
        const inner = path === '' ? printable(entry.key) : `${path}.${printable(entry.key)}`;
        const name: Located = { kind: 'scalar', place: entry.place, value: entry.key, source: entry.key };
        const read = [key.read(name, inner, report), value.read(entry.value, inner, report)] as const;
        return read[0] === undefined || read[1] === undefined ? [] : [read as readonly [string, T]];
      });
    },
  };
}

/** What may stand where a name is wanted, and the shape of the settings that go with it. */
export interface Named<T> {
  /** In words: `a detector (mps, es)`. */
  readonly expects: string;
  /** Undefined for a name that means nothing. */
  find(name: string): Shape<T> | undefined;
  /** What may have been meant by such a name. */
  hint(name: string): string | null;
}

/** `name`, or `name: { settings }` for other settings than the defaults. */
export function named<T>({ expects, find, hint }: Named<T>): Shape<T> {
  const use = (name: string, place: Place, settings: LocatedMap | Located, path: string, report: Report) => {
    const shape = find(name);
    if (shape !== undefined) return shape.read(settings, path, report);
    report.wrong({ place, path }, expects, `\`${printable(name).slice(0, 60)}\``, hint(name));
    return undefined;
  };
  return {
    expects,
    read(node, path, report) {
      const empty: LocatedMap = { kind: 'map', place: node.place, entries: [] };
      if (node.kind === 'scalar' && typeof node.value === 'string')
        return use(node.value, node.place, empty, path, report);
      if (node.kind !== 'map' || node.entries.length === 0) return refuse(report, node, path, expects);
      const [first, second] = node.entries;
      if (second !== undefined) {
        // `- knn:` with `k: 50` under it, not indented far enough, is the usual way to get here.
        const advice = 'Write settings as { … } after the name, or indent them deeper than the name.';
        const received = `a second key \`${printable(second.key).slice(0, 60)}\``;
        report.wrong({ place: second.place, path }, 'one name, then its settings', received, advice);
      }
      const { key, place, value } = first!;
      const nothing = value.kind === 'scalar' && value.value === null;
      return use(key, place, nothing ? empty : value, `${path}.${printable(key)}`, report);
    },
  };
}

/** Different shapes for text (or another scalar), for a list, for a map. */
export function byKind<T>(
  expects: string,
  shapes: { readonly scalar?: Shape<T>; readonly list?: Shape<T>; readonly map?: Shape<T> },
): Shape<T> {
  return {
    expects,
    read(node, path, report) {
      const shape = shapes[node.kind];
      const empty = node.kind === 'scalar' && node.value === null;
      return shape === undefined || empty ? refuse(report, node, path, expects) : shape.read(node, path, report);
    },
  };
}

/** What a shape gives, made into something else or refused by `use`. */
export function refine<A, B>(
  shape: Shape<A>,
  use: (value: A, origin: Origin, report: Report) => B | undefined,
  expects = shape.expects,
): Shape<B> {
  return {
    expects,
    read(node, path, report) {
      const value = shape.read(node, path, report);
      return value === undefined ? undefined : use(value, { place: node.place, path, node }, report);
    },
  };
}
