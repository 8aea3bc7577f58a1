// Puts something in place of every tensor description in what a pickle held, and plain values in place of foreign objects that stand
// for one. Lists, dicts and sets are changed in place, so that what was shared stays shared and cycles stay cycles; tuples, which
// are frozen, are made anew where they must.

import { types } from 'node:util';
import { IsotorchError } from '../../errors.js';
import { atOnce, stepsPerTurn } from '../turns.js';
import { ForeignObject, plainValueOf } from './foreign.js';
import { PickleGlobal } from './globals.js';
import { NumpyDType } from './numpy.js';
import {
  type AnyTensorRef,
  isTensorRef,
  isTuple,
  OrderedDict,
  StorageRef,
  StorageView,
  TorchDType,
  TorchSize,
  tensorOfStorage,
} from './values.js';

/** Deeper than Python can save by default, and shallow enough for JavaScript's stack. */
export const maxDepth = 1000;

export interface ReplaceOptions {
  /** What messages call the pickle. */
  where: string;
  /** Called once for each tensor. */
  replace: (tensor: AnyTensorRef) => unknown;
  /** Whether objects of unknown classes that stand for no plain value stay, or are refused. @default 'refuse' */
  foreign?: 'refuse' | 'keep';
}

/** An object of an unknown class where none may be, and the way to it. */
export class ForeignError extends Error {
  constructor(
    readonly object: ForeignObject,
    /** Keys and indices, from the outermost in. */
    readonly path: readonly unknown[],
  ) {
    super(object.name);
  }
}

/** `replacing`, at once, for trees that hold nothing foreign. */
export const replaceTensors = (value: unknown, where: string, replace: (tensor: AnyTensorRef) => unknown): unknown =>
  atOnce(replacing(value, { where, replace }));

/**
 * `value` with every description of a tensor exchanged for what `replace` returns.
 * @throws ERR_FORMAT if objects are nested too deep, or a class is used as a value; ForeignError
 */
export const replacing = (value: unknown, options: ReplaceOptions): Generator<void, unknown> =>
  new Replacer(options).walk(value, 0);

class Replacer {
  private readonly done = new Map<object, unknown>();
  private readonly path: unknown[] = [];
  private steps = 0;

  constructor(private readonly options: ReplaceOptions) {}

  /** A generator for containers; `leaf` does what needs none. */
  *walk(item: unknown, depth: number): Generator<void, unknown> {
    const leaf = this.leaf(item);
    if (leaf !== undefined) return leaf;
    if (depth > maxDepth) throw this.bad(`objects are nested more than ${maxDepth} deep`);
    if (item instanceof ForeignObject) return yield* this.object(item, depth);
    if (isTuple(item)) return yield* this.tuple(item, depth);
    this.done.set(item as object, item);
    if (Array.isArray(item)) yield* this.items(item, item, depth);
    else if (types.isMap(item)) yield* this.map(item, depth);
    else if (types.isSet(item)) yield* this.set(item, depth);
    return item;
  }

  /** What it becomes, if that can be said without a look at what is in it; else undefined. */
  private leaf(item: unknown): unknown {
    if (typeof item !== 'object' || item === null) return item === undefined ? null : item;
    const known = this.done.get(item);
    if (known !== undefined) return known;
    if (isTensorRef(item)) return this.tensor(item, item);
    if (item instanceof StorageRef || item instanceof StorageView) return this.tensor(item, tensorOfStorage(item));
    if (item instanceof NumpyDType) return TorchDType.of(item.dtype);
    if (item instanceof PickleGlobal) {
      if (this.options.foreign !== 'keep')
        throw this.bad(`it holds the class or function ${item.name} as a value, which has no counterpart here`);
      const kept = new ForeignObject(item.name, 0);
      this.done.set(item, kept);
      return kept;
    }
    if (item instanceof TorchSize) return item;
    return undefined;
  }

  private tensor(item: object, ref: AnyTensorRef): unknown {
    const replaced = this.options.replace(ref);
    this.done.set(item, replaced);
    return replaced;
  }

  /** A plain value where it stands for one. */
  private *object(object: ForeignObject, depth: number): Generator<void, unknown> {
    const plain = plainValueOf(object);
    if (plain) {
      const value = yield* this.walk(plain.value, depth + 1);
      if (value !== null) this.done.set(object, value);
      return value;
    }
    if (this.options.foreign !== 'keep') throw new ForeignError(object, [...this.path]);
    this.done.set(object, object);
    const inside = object as { args?: unknown; state?: unknown };
    if (inside.args !== undefined) inside.args = yield* this.walk(inside.args, depth + 1);
    if (inside.state !== undefined) inside.state = yield* this.walk(inside.state, depth + 1);
    if (object.items) yield* this.items(object.items, object.items, depth);
    for (const entry of object.entries ?? []) yield* this.items(entry, entry, depth);
    return object;
  }

  /** The items of `from` into `to`. */
  private *items(from: readonly unknown[], to: unknown[], depth: number): Generator<void, void> {
    for (let i = 0; i < from.length; i++) {
      this.path[depth] = i;
      to[i] = this.leaf(from[i]) ?? (yield* this.walk(from[i], depth + 1));
      if (++this.steps % stepsPerTurn === 0) yield;
    }
    this.path.length = depth;
  }

  private *tuple(tuple: readonly unknown[], depth: number): Generator<void, unknown> {
    if (tuple.every((item) => typeof item !== 'object' || item === null)) return tuple;
    // Known before its items are, because a list among them may hold this very tuple.
    const made: unknown[] = [];
    this.done.set(tuple, made);
    yield* this.items(tuple, made, depth);
    return Object.freeze(made);
  }

  private *map(map: Map<unknown, unknown>, depth: number): Generator<void, void> {
    let rekeyed: [unknown, unknown][] | undefined;
    for (const [key, content] of map) {
      if (holdsTensor(key)) throw this.bad('a dict has a key with a tensor in it, which has no counterpart here');
      this.path[depth] = key;
      const name = isBare(key) ? key : yield* this.walk(key, depth + 1);
      const replaced = this.leaf(content) ?? (yield* this.walk(content, depth + 1));
      if (replaced !== content) map.set(key, replaced);
      if (name !== key) rekeyed ??= [];
      rekeyed?.push([key, name]);
      if (++this.steps % stepsPerTurn === 0) yield;
    }
    this.path.length = depth;
    if (rekeyed) rekey(map, rekeyed);
    if (map instanceof OrderedDict && map._metadata !== undefined)
      map._metadata = yield* this.walk(map._metadata, depth + 1);
  }

  private *set(set: Set<unknown>, depth: number): Generator<void, void> {
    const items = [...set];
    yield* this.items(items, items, depth);
    set.clear();
    for (const content of items) set.add(content);
  }

  private bad(problem: string): IsotorchError {
    return new IsotorchError('ERR_FORMAT', `${this.options.where}: ${problem}`);
  }
}

/** A key that stays as it is. */
const isBare = (key: unknown): boolean => !(key instanceof ForeignObject) && !(isTuple(key) && key.length > 0);

/** Gives the last keys of a dict, from the first that changes on, their names; the order stays. */
function rekey(map: Map<unknown, unknown>, names: readonly (readonly [key: unknown, name: unknown])[]): void {
  const values = names.map(([key, name]) => [name, map.get(key)] as const);
  for (const [key] of names) map.delete(key);
  for (const [name, value] of values) map.set(name, value);
}

/** Keys are tuples of plain values at most; a cycle can't run through tuples alone, but one tuple may be in many places. */
function holdsTensor(key: unknown, seen = new Set<unknown>()): boolean {
  if (isTensorRef(key)) return true;
  if (!isTuple(key) || seen.has(key)) return false;
  // No key of a checkpoint has so many parts; deeper ones would exhaust the stack.
  if (seen.size > maxDepth) return true;
  seen.add(key);
  return key.some((part) => holdsTensor(part, seen));
}
