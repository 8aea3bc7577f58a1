// State dicts: a module's tensors under PyTorch's keys, and the way back. Loading first compares everything and then
// copies, so that a dict that does not fit changes nothing, and one error names all that is wrong with it.

import { types } from 'node:util';
import { describe, expected, IsotorchError } from '../errors.js';
import { isFloating, Tensor, tidy, torch } from '../tensor/index.js';
import type { AnyModule } from './module.js';

/** Detached tensors by key, in PyTorch's order. */
export interface StateDict extends Map<string, Tensor> {
  /** The version of each module's state by path, as PyTorch writes it into files. */
  _metadata?: Map<string, { version: number }>;
}

/** What can be loaded: a StateDict, any Map, or a plain object of tensors such as `torch.load` reads from a file. */
export type StateSource = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;

export interface LoadOptions {
  /** Whether missing and unexpected keys are an error. Keys that don't fit always are. @default true */
  strict?: boolean;
  /** Takes only the keys that begin with it, without it: `'module.'` for a network that DataParallel saved. */
  prefix?: string;
  /** The key here for a key there (after `prefix`); null or undefined leaves it out. */
  rename?: (key: string) => string | null | undefined;
}

export interface LoadResult {
  /** Keys of the module that the dict does not have. Their values stayed. */
  missing: string[];
  /** Keys of the dict that the module does not have. */
  unexpected: string[];
}

/** What takes in the tensor of a key, called once everything is known to fit and before anything is changed; null: no use for it. */
export type ForeignKeys = Readonly<Record<string, ((value: Tensor) => void) | null>>;

interface Place {
  module: AnyModule;
  /** With a dot at the end, or ''. */
  path: string;
}

/** The module and all inside it, as often as they are there; unlike `modules()`, since keys repeat with them. */
function places(module: AnyModule, path = '', above: readonly AnyModule[] = []): Place[] {
  if (above.includes(module)) {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${above[0]?.constructor.name}.${path.slice(0, -1)} is a module that contains itself. Keep a reference to an outer module in a #private field`,
    );
  }
  const inside = [...module.namedChildren()];
  return [{ module, path }, ...inside.flatMap(([name, child]) => places(child, `${path}${name}.`, [...above, module]))];
}

/** The module's own tensors that belong to a state dict: parameters, then persistent buffers. */
function ownState(module: AnyModule): [string, Tensor][] {
  return [...module.ownParameters(), ...[...module.ownBuffers()].filter(([, buffer]) => buffer.persistent)];
}

export function stateOf(root: AnyModule): StateDict {
  const state: StateDict = new Map<string, Tensor>();
  const metadata = new Map<string, { version: number }>();
  for (const { module, path } of places(root)) {
    metadata.set(path.slice(0, -1), { version: module.stateVersion });
    for (const [name, tensor] of ownState(module)) state.set(path + name, tensor.detach());
  }
  // Not a tensor of the state: copies made by spreading or by JSON leave it out.
  Object.defineProperty(state, '_metadata', { value: metadata, writable: true, configurable: true });
  return state;
}

export function loadInto(root: AnyModule, dict: StateSource, options: LoadOptions): LoadResult {
  const { strict = true, prefix = '' } = options;
  const incoming = keysOf(dict, options);
  const targets = new Map<string, Tensor>();
  const missing: string[] = [];
  const foreign: [string, unknown, (value: Tensor) => void][] = [];
  for (const { module, path } of places(root)) {
    for (const [old, present] of Object.entries(module.legacyKeys)) {
      if (!incoming.has(path + old) || incoming.has(path + present)) continue;
      incoming.set(path + present, incoming.get(path + old));
      incoming.delete(path + old);
    }
    for (const [name, take] of Object.entries(module.foreignKeys)) {
      const key = path + name;
      if (take && incoming.has(key)) foreign.push([key, incoming.get(key), take]);
      incoming.delete(key);
    }
    module.prepareForState((key) => {
      const value = incoming.get(path + key);
      return value instanceof Tensor && !value.isDisposed ? value : undefined;
    });
    const version = versionOf(dict, prefix + path);
    for (const [name, tensor] of ownState(module)) {
      targets.set(path + name, tensor);
      if (!incoming.has(path + name) && !module.mayLack(name, version)) missing.push(path + name);
    }
  }
  const unexpected = [...incoming.keys()].filter((key) => !targets.has(key));
  const unfit = [
    ...[...targets].flatMap(([key, tensor]) => (incoming.has(key) ? misfit(key, tensor, incoming.get(key)) : [])),
    ...foreign.flatMap(([key, value]) => noTensor(key, value)),
  ];
  if (unfit.length > 0 || (strict && missing.length + unexpected.length > 0)) {
    throw new IsotorchError(
      'ERR_STATE_DICT',
      [
        `loadStateDict: expected a state dict of ${root.constructor.name} but received one that does not fit; nothing was changed`,
        ...list('missing', missing),
        ...list('unexpected', unexpected),
        ...unfit.map((problem) => `  ${problem}`),
        ...advice([...targets.keys()], dict, prefix),
        ...places(root).flatMap(({ module, path }) => module.stateAdvice((key) => incoming.get(path + key)) ?? []),
      ].join('\n'),
    );
  }
  for (const [, value, take] of foreign) take(value as Tensor);
  torch.noGrad(() => {
    for (const [key, tensor] of targets) {
      const value = incoming.get(key) as Tensor | undefined;
      if (value === undefined) continue;
      tidy(() => {
        tensor.copy_(value.ndim > tensor.ndim ? value.squeeze(0) : value);
      });
    }
  });
  return { missing, unexpected };
}

/** The dict's tensors under the keys that they have here. */
function keysOf(dict: StateSource, { strict = true, prefix = '', rename }: LoadOptions): Map<string, unknown> {
  if (typeof dict !== 'object' || dict === null || dict instanceof Tensor || Array.isArray(dict))
    throw expected('a Map or an object of tensors', 'dict', dict);
  if (typeof strict !== 'boolean') throw expected('a boolean', 'strict', strict);
  if (typeof prefix !== 'string') throw expected('a string', 'prefix', prefix);
  if (rename !== undefined && typeof rename !== 'function') throw expected('a function', 'rename', rename);
  const found = new Map<string, unknown>();
  const entries: Iterable<[string, unknown]> = types.isMap(dict) ? dict : Object.entries(dict);
  for (const [key, value] of entries) {
    if (typeof key !== 'string' || key === '_metadata' || !key.startsWith(prefix)) continue;
    const bare = key.slice(prefix.length);
    const here = rename ? rename(bare) : bare;
    if (here === null || here === undefined) continue;
    if (typeof here !== 'string')
      throw expected('a string, null or undefined', `rename(${JSON.stringify(bare)})`, here);
    if (found.has(here))
      throw new IsotorchError(
        'ERR_STATE_DICT',
        `loadStateDict: two keys of the state dict become ${here}, the second is ${key}`,
      );
    found.set(here, value);
  }
  return found;
}

function versionOf(dict: StateSource, path: string): number | undefined {
  const metadata: unknown = (dict as StateDict)._metadata;
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const name = path.replace(/\.$/, '');
  const entry: unknown = types.isMap(metadata) ? metadata.get(name) : (metadata as Record<string, unknown>)[name];
  if (typeof entry !== 'object' || entry === null) return undefined;
  const version: unknown = types.isMap(entry) ? entry.get('version') : (entry as Record<string, unknown>).version;
  return typeof version === 'number' ? version : undefined;
}

const shapeOf = (tensor: Tensor) => `[${tensor.shape.join(', ')}]`;

const noTensor = (key: string, value: unknown): string[] => {
  if (!(value instanceof Tensor)) return [`not a tensor: ${key} is ${describe(value)}`];
  return value.isDisposed ? [`disposed: ${key}`] : [];
};

/** Why the value can't be copied, in a line; none if it can. PyTorch once saved scalars with one dimension: those fit. */
function misfit(key: string, target: Tensor, value: unknown): string[] {
  if (!(value instanceof Tensor) || value.isDisposed) return noTensor(key, value);
  const sameShape = shapeOf(value) === shapeOf(target) || (target.ndim === 0 && shapeOf(value) === '[1]');
  if (!sameShape) return [`of another shape: ${key} is ${shapeOf(target)} here and ${shapeOf(value)} there`];
  const loses = value.dtype.startsWith('complex') && isFloating(target.dtype);
  return loses ? [`of another kind: ${key} is ${target.dtype} here and ${value.dtype} there`] : [];
}

const list = (what: string, keys: readonly string[]) => (keys.length === 0 ? [] : [`  ${what}: ${keys.join(', ')}`]);

/** The usual reasons why no key fits at all: a wrapper around the network that was saved, or a whole training checkpoint. */
function advice(targets: readonly string[], dict: StateSource, prefix: string): string[] {
  const inner = innerDict(new Set(targets), dict);
  if (inner !== undefined) return [inner];
  const keys = [...(types.isMap(dict) ? dict.keys() : Object.keys(dict))];
  if (prefix !== '' && !keys.some((key) => key.startsWith(prefix)))
    return [`  no key begins with ${JSON.stringify(prefix)}; the first is ${JSON.stringify(keys[0])}`];
  const outer = keys[0] === undefined ? '' : targets.map((key) => suffixed(keys[0] as string, key)).find(Boolean);
  return outer && prefix === '' && keys.every((key) => key.startsWith(outer))
    ? [`  every key begins with ${JSON.stringify(outer)}: give { prefix: ${JSON.stringify(outer)} }`]
    : [];
}

const suffixed = (key: string, end: string) =>
  key.endsWith(`.${end}`) ? key.slice(0, key.length - end.length) : undefined;

/** Where the dict holds another that has the keys: which, and how many of them. */
function innerDict(targets: ReadonlySet<string>, dict: StateSource): string | undefined {
  const entries = (source: object): [unknown, unknown][] =>
    types.isMap(source) ? [...source] : (Object.entries(source) as [unknown, unknown][]);
  const fits = (key: unknown) =>
    typeof key === 'string' && (targets.has(key) || targets.has(key.slice(key.indexOf('.') + 1)));
  if (entries(dict).some(([key]) => fits(key))) return undefined;
  const found = entries(dict).flatMap(([key, value]) => {
    if (typeof value !== 'object' || value === null || value instanceof Tensor || Array.isArray(value)) return [];
    const count = entries(value).filter(([name]) => fits(name)).length;
    return count > 0 ? [{ key: String(key), count }] : [];
  });
  const [best] = found.sort((a, b) => b.count - a.count);
  if (best === undefined) return undefined;
  const get = types.isMap(dict) ? `dict.get(${JSON.stringify(best.key)})` : `dict[${JSON.stringify(best.key)}]`;
  return `  its ${JSON.stringify(best.key)} has ${best.count} of the ${targets.size} keys: load ${get}, or what checkpoint.weights(path) finds`;
}
