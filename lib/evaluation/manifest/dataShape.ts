// How a manifest refers to images: `kmnist`, `kmnist:train`, or a map with one source (`{ folder: … }`) and what else is to
// be said of it.

import { basename, extname } from 'node:path';
import { dataSetNames } from '../../known/dataSets.js';
import { syntheticNames } from '../../known/unknownSets.js';
import { didYouMean } from '../../nearest.js';
import { printable } from '../../printable.js';
import {
  byKind,
  choice,
  existing,
  isName,
  list,
  nameShape,
  number,
  type Origin,
  optional,
  type Report,
  record,
  refine,
  type Shape,
  text,
  within,
} from './shapes.js';
import type { DataReference, DataSource } from './types.js';

/** What images are referred to for. Only unknown ones may be made up. */
export type DataRole = 'train' | 'test' | 'ood';

const sources = ['set', 'idx', 'npy', 'folder', 'tar', 'cifar10', 'cifar100'] as const;

/** Class labels, each once. */
export const classesShape = list(number({ integer: true, min: 0 }), { unique: (label) => `class ${label}` });

/** `[0, 1000]`: the first thousand images. */
const rowsShape = refine(list(number({ integer: true, min: 0 }), {}), ([from, to, ...more], origin, report) => {
  if (from !== undefined && to !== undefined && from < to && more.length === 0) return [from, to] as const;
  report.wrong(
    origin,
    'two row numbers, the first row and the one after the last',
    'other numbers',
    '[0, 1000] is the first thousand.',
  );
  return undefined;
});

/** @param role says which split is meant where none is named */
export function dataShape(role: DataRole): Shape<DataReference> {
  const expects = 'a data set';
  return byKind(expects, { scalar: shortForm(role, expects), map: longForm(role, expects) });
}

function shortForm(role: DataRole, expects: string): Shape<DataReference> {
  return refine(text(`${expects} such as kmnist, kmnist:train or { folder: … }`), (value, origin, report) => {
    const source = namedSource(value, role, origin, report);
    return source && report.keep({ name: source.set, source, classes: null, rows: null }, origin);
  });
}

function namedSource(value: string, role: DataRole, origin: Origin, report: Report) {
  const [name = '', split, ...rest] = value.split(':');
  const allowed: readonly string[] = role === 'ood' ? [...dataSetNames, ...syntheticNames] : dataSetNames;
  const shown = `the text ${JSON.stringify(printable(value).slice(0, 60))}`;
  if (!allowed.includes(name)) {
    const path = /[/\\.]/.test(value) ? 'For files write { folder: … }, { tar: … }, { npy: … } or { idx: … }.' : null;
    const madeUp = (syntheticNames as readonly string[]).includes(name)
      ? 'Made-up images can only be unknown ones.'
      : null;
    const heldOut =
      name === 'held-out' ? 'Name the classes: { name: held-out, set: fashion-mnist, classes: [7, 8, 9] }.' : null;
    const hint = madeUp ?? heldOut ?? path ?? didYouMean(name, allowed);
    report.wrong(origin, `one of the data sets ${allowed.join(', ')}`, shown, hint);
    return undefined;
  }
  const madeUp = syntheticNames.find((each) => each === name);
  if (madeUp !== undefined) {
    if (split === undefined) return { kind: 'synthetic', set: madeUp } as const;
    report.wrong(origin, `${name}, which has no splits`, shown);
    return undefined;
  }
  const chosen = split ?? (role === 'train' ? 'train' : 'test');
  if ((chosen !== 'train' && chosen !== 'test') || rest.length > 0) {
    report.wrong(origin, `${name}:train or ${name}:test`, shown, didYouMean(chosen, ['train', 'test']));
    return undefined;
  }
  return { kind: 'set', set: dataSetNames.find((each) => each === name)!, split: chosen } as const;
}

function longForm(role: DataRole, expects: string): Shape<DataReference> {
  const fields = record(`${expects}: a name, or a map with one of ${sources.join(', ')}`, {
    name: optional(nameShape, null),
    set: optional(text('the name of a data set'), null),
    idx: optional(existing('file'), null),
    npy: optional(existing('file'), null),
    folder: optional(existing('folder'), null),
    tar: optional(existing('file'), null),
    cifar10: optional(existing('folder'), null),
    cifar100: optional(existing('folder'), null),
    labels: optional(existing('file'), null),
    split: optional(choice(['train', 'test']), null),
    classes: optional(classesShape, null),
    rows: optional(rowsShape, null),
  });
  return refine(fields, (raw, origin, report) => {
    const named = sources.filter((key) => raw[key] !== null);
    if (named.length !== 1) {
      const received = named.length === 0 ? 'none of them' : named.join(' and ');
      report.wrong(origin, `exactly one of the keys ${sources.join(', ')}`, received);
      return undefined;
    }
    const kind = named[0]!;
    const path = raw[kind]!;
    const { labels, classes, rows } = raw;
    const split = raw.split ?? (role === 'train' ? 'train' : 'test');
    if (labels !== null && kind !== 'idx' && kind !== 'npy') {
      const hint =
        kind === 'folder' || kind === 'tar' ? 'The folders in it are the classes.' : 'It has labels of its own.';
      report.wrong(within(origin, 'labels'), '`labels` with idx or npy only', `\`${kind}\``, hint);
    }
    if (raw.split !== null && kind !== 'set' && kind !== 'cifar10' && kind !== 'cifar100')
      report.wrong(
        within(origin, 'split'),
        '`split` with set, cifar10 or cifar100 only',
        `\`${kind}\``,
        'Name the files of the split.',
      );
    if (classes !== null && labels === null && (kind === 'idx' || kind === 'npy'))
      report.wrong(within(origin, 'classes'), '`labels` to choose classes by', 'none', 'Add `labels:`, a file.');
    const source: DataSource | undefined =
      kind === 'set'
        ? namedSource(raw.split === null ? path : `${path}:${raw.split}`, role, within(origin, 'set'), report)
        : kind === 'idx' || kind === 'npy'
          ? { kind, path, labels }
          : kind === 'folder' || kind === 'tar'
            ? { kind, path }
            : { kind, path, split };
    if (source === undefined) return undefined;
    const name = raw.name ?? nameFor(source, within(origin, kind), report);
    return name === undefined ? undefined : report.keep({ name, source, classes, rows }, origin);
  });
}

function nameFor(source: DataSource, origin: Origin, report: Report): string | undefined {
  if (source.kind === 'set' || source.kind === 'synthetic') return source.set;
  if (source.kind === 'cifar10' || source.kind === 'cifar100') return source.kind;
  return nameFromPath(source.path, origin, report);
}

/** `sets/tiny.tar.gz` → `tiny`. Notes a mistake where that gives no name. */
export function nameFromPath(path: string, origin: Origin, report: Report): string | undefined {
  let name = basename(path.replaceAll('\\', '/'));
  for (let end = extname(name); /^\.[a-z]\w{0,10}$/i.test(end); end = extname(name)) name = name.slice(0, -end.length);
  if (isName(name)) return name;
  report.wrong(
    origin,
    'a path that gives a name',
    `the text ${JSON.stringify(printable(path).slice(0, 60))}`,
    'Add `name:`.',
  );
  return undefined;
}
