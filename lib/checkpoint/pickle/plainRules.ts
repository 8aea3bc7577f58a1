// Small classes of Python's library that training scripts put beside their weights, and that are plain values at heart: where a folder
// is, when a run began, what its arguments were.
//
//   defaultdict → Map    deque → array    Namespace, SimpleNamespace → Map of the attributes    Path → string
//   datetime, date, time → string as of isoformat()    timedelta → seconds    timezone → string, +02:00    TorchVersion → string

import { types } from 'node:util';
import { RuleError } from './values.js';

type Rule = (args: readonly unknown[]) => unknown;

/** `argparse.Namespace`: attributes, which BUILD gives. */
export class Namespace extends Map<unknown, unknown> {}

const namespace: Rule = ([attributes = new Map()]) => {
  if (!types.isMap(attributes)) throw new RuleError('expected a dict of attributes');
  return new Namespace(attributes);
};

/** `defaultdict(factory)`: its items follow, and the factory has no meaning here. */
const defaultDict: Rule = (args) => {
  if (args.length > 1) throw new RuleError('expected a factory alone');
  return new Map();
};

/** `deque(items, maxlen)` */
const deque: Rule = ([items = [], most = null]) => {
  if (!Array.isArray(items) || !(most === null || typeof most === 'number')) throw new RuleError('expected a list');
  return [...items];
};

/** `PosixPath('/', 'a', 'b')`: its parts, of which an absolute one begins anew. */
const pathOf =
  (separator: '/' | '\\'): Rule =>
  (parts) => {
    if (!parts.every((part) => typeof part === 'string')) throw new RuleError('expected the parts of a path');
    const isRoot = separator === '/' ? /^\// : /^([A-Za-z]:)?[\\/]/;
    const joined = (parts as string[]).reduce(
      (path, part) => (path === '' || isRoot.test(part) ? part : path + (/[\\/]$/.test(path) ? '' : separator) + part),
      '',
    );
    return joined === '' ? '.' : joined;
  };

const digits = (value: number, count: number) => String(value).padStart(count, '0');

function fields(state: unknown, length: number): Uint8Array {
  // Protocol 2 has no bytes; in Python 2 they were strings.
  const bytes = typeof state === 'string' ? Buffer.from(state, 'latin1') : state;
  if (!types.isUint8Array(bytes) || bytes.length !== length) throw new RuleError(`expected ${length} bytes`);
  return bytes;
}

function dayOf([high = 0, low = 0, month = 0, day = 0]: Uint8Array): string {
  // A bit of the month tells which of two equal times at the end of summer time is meant.
  const within = { month: month & 0x7f, day };
  if (within.month < 1 || within.month > 12 || day < 1 || day > 31) throw new RuleError('expected a date');
  return `${digits(256 * high + low, 4)}-${digits(within.month, 2)}-${digits(day, 2)}`;
}

function timeOf([hour = 0, minute = 0, second = 0, a = 0, b = 0, c = 0]: Uint8Array): string {
  const hours = hour & 0x7f;
  if (hours > 23 || minute > 59 || second > 59) throw new RuleError('expected a time');
  const micros = (a << 16) | (b << 8) | c;
  const fraction = micros === 0 ? '' : `.${digits(micros, 6)}`;
  return `${digits(hours, 2)}:${digits(minute, 2)}:${digits(second, 2)}${fraction}`;
}

const zoneOf = (zone: unknown = ''): string => {
  if (typeof zone !== 'string' || !/^([+-]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/.test(zone))
    throw new RuleError('expected a timezone');
  return zone;
};

const dateTime: Rule = ([state, zone]) => {
  const bytes = fields(state, 10);
  return `${dayOf(bytes.subarray(0, 4))}T${timeOf(bytes.subarray(4))}${zoneOf(zone)}`;
};
const date: Rule = ([state]) => dayOf(fields(state, 4));
const time: Rule = ([state, zone]) => timeOf(fields(state, 6)) + zoneOf(zone);

const timeDelta: Rule = (parts) => {
  if (parts.length > 3 || !parts.every((part) => typeof part === 'number')) throw new RuleError('expected numbers');
  const [days = 0, seconds = 0, micros = 0] = parts as number[];
  return days * 86_400 + seconds + micros / 1e6;
};

const timeZone: Rule = ([offset]) => {
  if (typeof offset !== 'number' || Math.abs(offset) >= 86_400) throw new RuleError('expected an offset');
  const minutes = Math.floor(Math.abs(offset) / 60);
  const seconds = Math.abs(offset) % 60;
  const rest = seconds === 0 ? '' : `:${digits(seconds, 2)}`;
  return `${offset < 0 ? '-' : '+'}${digits(Math.floor(minutes / 60), 2)}:${digits(minutes % 60, 2)}${rest}`;
};

const text: Rule = ([value]) => {
  if (typeof value !== 'string') throw new RuleError('expected text');
  return value;
};

/** Classes that only stand for a kind of value: what a defaultdict makes of a missing key. */
const kinds = ['bool', 'dict', 'float', 'int', 'list', 'object', 'str', 'tuple', 'unicode'];

/** By name; a class without a rule only stands in arguments. */
export const plainRules: readonly (readonly [name: string, rule?: Rule])[] = [
  ['collections.defaultdict', defaultDict],
  ['collections.deque', deque],
  ['argparse.Namespace', namespace],
  ['types.SimpleNamespace', namespace],
  ...['pathlib', 'pathlib._local'].flatMap((module) => [
    ...['PosixPath', 'PurePosixPath', 'Path', 'PurePath'].map((name) => [`${module}.${name}`, pathOf('/')] as const),
    ...['WindowsPath', 'PureWindowsPath'].map((name) => [`${module}.${name}`, pathOf('\\')] as const),
  ]),
  ['datetime.datetime', dateTime],
  ['datetime.date', date],
  ['datetime.time', time],
  ['datetime.timedelta', timeDelta],
  ['datetime.timezone', timeZone],
  ['torch.torch_version.TorchVersion', text],
  ...kinds.map((name) => [`builtins.${name}`] as const),
];

/** Takes attributes by BUILD. */
export const setAttributes = (target: Namespace, state: unknown): void => {
  if (!types.isMap(state)) throw new RuleError('expected a dict of attributes');
  for (const [name, value] of state) target.set(name, value);
};
