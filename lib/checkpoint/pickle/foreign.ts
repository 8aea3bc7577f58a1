// What a pickle names but isotorch does not know: a class or a function of Python. It is described, never called: a ForeignObject has
// the name and what the file would have given to it. Enum members and named tuples, whose classes nobody can know, are told by
// how they are pickled, and stand for the plain values in them.

import { inspect, types } from 'node:util';
import { isTuple } from './values.js';

/**
 * A placeholder for an object of a class that isotorch doesn't know (`loadTorch(file, { foreign: 'keep' })`). It does nothing: it prints,
 * compares by what is in it, and no file can be written with it.
 */
export class ForeignObject {
  /** What it would be called with; undefined for the class or function itself. */
  args?: readonly unknown[];
  /** What it would be given afterwards: mostly its attributes, as a Map. */
  state?: unknown;
  /** Of a list or a set of its own kind. */
  items?: unknown[];
  /** Of a dict of its own kind. */
  entries?: [unknown, unknown][];
  readonly #at: number;
  readonly #made: 'called' | 'new' | 'tensor';

  constructor(
    /** Module and name, such as `argparse.Namespace`. */
    readonly name: string,
    at: number,
    args?: readonly unknown[],
    made: 'called' | 'new' | 'tensor' = 'called',
    /** Why it can't be a value here, where there is more to say. */
    readonly problem?: string,
  ) {
    this.#at = at;
    this.#made = made;
    if (args) this.args = args;
  }

  /** @internal The byte of the pickle at which it is asked for. */
  static at(object: ForeignObject): number {
    return object.#at;
  }

  /** @internal `tensor`: a subclass of torch.Tensor, whose one argument is the plain tensor. */
  static made(object: ForeignObject): 'called' | 'new' | 'tensor' {
    return object.#made;
  }

  toString(): string {
    if (this.args === undefined) return this.name;
    const { state } = this;
    const words = [
      ...this.args.map(brief),
      ...(types.isMap(state) ? [...state.keys()].map((key) => `${key}=…`) : state === undefined ? [] : ['…']),
      ...(this.items ? [`${this.items.length} items`] : []),
      ...(this.entries ? [`${this.entries.length} entries`] : []),
    ];
    return `${this.name}(${words.slice(0, 8).join(', ')}${words.length > 8 ? ', …' : ''})`;
  }

  [inspect.custom](): string {
    return `<foreign ${this}>`;
  }
}

function brief(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value);
  if (typeof value !== 'object' || value === null || value instanceof ForeignObject) return String(value);
  if (Array.isArray(value)) return `[${(value as unknown[]).length} items]`;
  return types.isMap(value) ? `{${value.size} entries}` : (value.constructor?.name ?? 'object');
}

const isPlain = (value: unknown): boolean =>
  value === null || typeof value !== 'object' || (isTuple(value) && value.every(isPlain));

/** Python's classes have capital letters; what of its own library acts when it is called is no value, whatever it is given. */
const isClass = (name: string): boolean => /\.[A-Z][^.]*$/.test(name) && !acting.test(name);
const acting =
  /^(asyncio|builtins|__builtin__|code|codeop|concurrent|ctypes|ftplib|http|importlib|io|logging|multiprocessing|nt|os|pickle|posix|pty|runpy|shutil|smtplib|socket|subprocess|sys|tarfile|tempfile|threading|timeit|types|urllib|webbrowser|xmlrpc|zipfile)\./;

/**
 * The plain value that an object of an unknown class stands for: of an Enum's member, which is pickled as its class called with the
 * value, that value; of a named tuple, which is made new from its fields, the tuple. Undefined for all else.
 */
export function plainValueOf(object: ForeignObject): { value: unknown } | undefined {
  const { name, args, state, items, entries, problem } = object;
  const bare = state === undefined && items === undefined && entries === undefined && problem === undefined;
  if (!bare || args === undefined || args.length === 0 || !isClass(name)) return undefined;
  const made = ForeignObject.made(object);
  if (made === 'new') return { value: Object.isFrozen(args) ? args : Object.freeze([...args]) };
  return made === 'called' && args.length === 1 && isPlain(args[0]) ? { value: args[0] } : undefined;
}
