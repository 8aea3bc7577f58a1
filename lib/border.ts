// The package's border. Inside, code trusts its types; JavaScript keeps nobody from passing null. What then goes wrong as a
// raw TypeError or RangeError in our own code comes out as an IsotorchError with a code, the name of what was called and
// what it was given. Errors of callbacks come out as they are: the first line of their stack is not ours.

import { dirname, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { describe, IsotorchError } from './errors.js';
import { isPlainObject } from './plainObject.js';

const home = dirname(fileURLToPath(import.meta.url)) + sep;
const homes = [home, pathToFileURL(home).href];

/** The room with the same functions and classes, which throw IsotorchErrors. Classes are guarded in place. */
export function bordered<Room extends object>(name: string, room: Room): Room {
  const guarded = Object.entries(room).map(([key, value]) => [key, borderedValue(`${name}.${key}`, value)]);
  return Object.freeze(Object.fromEntries(guarded));
}

/** One export: functions and classes guarded, namespaces inside too, all else as it is. */
export function borderedValue<Value>(name: string, value: Value): Value {
  if (typeof value === 'function')
    return (isClass(value) ? borderedClass(name, value) : borderedFunction(name, value)) as Value;
  const isNamespace = Object.prototype.toString.call(value) === '[object Module]';
  return isNamespace ? bordered(name, value as object as Value & object) : value;
}

const borderedFunction = (name: string, fn: object) => guard(name, fn, (result) => guardedMethods(name, result));

type Callable = (...args: unknown[]) => unknown;

/** A class's prototype can't be replaced, a function's can. */
const isClass = (value: object): boolean => Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;

/** Calls `fn` and translates what it throws. `made` looks at results: a function of a room may hand out objects with methods. */
function guard(name: string, fn: object, made: (result: unknown) => unknown = (result) => result): Callable {
  const guarded = function (this: unknown, ...args: unknown[]): unknown {
    try {
      const result = Reflect.apply(fn as Callable, this, args);
      if (!types.isPromise(result)) return made(result);
      return result.then(made, (error) => Promise.reject(translated(error, name, args)));
    } catch (error) {
      throw translated(error, name, args);
    }
  };
  const { name: own, length } = fn as Callable;
  return Object.defineProperties(guarded, {
    name: { value: own, configurable: true },
    length: { value: length, configurable: true },
  });
}

/** Detectors and the like: objects with functions in them, or of classes that have no name outside. */
function guardedMethods(name: string, result: unknown): unknown {
  if (isPlainObject(result)) {
    if (Object.values(result).some((value) => typeof value === 'function')) guardMembers(result, name);
  } else if (typeof result === 'object' && result !== null) guardPrototypes(Object.getPrototypeOf(result));
  return result;
}

const guardedClasses = new WeakMap<object, object>();
/** Classes and prototypes whose members are guarded; those of the language itself stay as they are. */
const guardedOwners = new WeakSet<object>();
for (const builtin of [Object, Array, Map, Set, Error, Promise, Function, Object.getPrototypeOf(Uint8Array)])
  leave(builtin);

/** For a class whose calls are too hot for a border: its members stay as they are. */
export function leave(target: { prototype: object }): void {
  guardedOwners.add(target).add(target.prototype);
}

/** The class behind a proxy that guards its constructor; its methods and accessors are replaced in place, once. */
function borderedClass(name: string, target: object): object {
  const known = guardedClasses.get(target);
  if (known !== undefined) return known;
  for (let at = target; !guardedOwners.has(at); at = Object.getPrototypeOf(at)) guardMembers(at, (at as Callable).name);
  guardPrototypes((target as Callable).prototype);
  const proxy: object = new Proxy(target, {
    apply() {
      throw new IsotorchError('ERR_ARGUMENT', `${name} is a class: write new ${name}(…)`);
    },
    construct(made, args: unknown[], newTarget): object {
      try {
        return Reflect.construct(made as new () => object, args, newTarget === proxy ? (made as never) : newTarget);
      } catch (error) {
        throw translated(error, `new ${name}`, args);
      }
    },
  });
  guardedClasses.set(target, proxy);
  return proxy;
}

function guardPrototypes(first: object | null): void {
  for (let at = first; at !== null && !guardedOwners.has(at); at = Object.getPrototypeOf(at))
    guardMembers(at, at.constructor.name);
}

function guardMembers(owner: object, name: string): void {
  if (guardedOwners.has(owner)) return;
  guardedOwners.add(owner);
  for (const [key, member] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
    if (key === 'constructor' || key === 'prototype' || !member.configurable) continue;
    if (typeof member.value === 'function' && !isClass(member.value))
      Object.defineProperty(owner, key, { ...member, value: guard(`${name}.${key}`, member.value) });
    else if (member.set)
      Object.defineProperty(owner, key, {
        ...member,
        set: guard(`${name}.${key}`, member.set) as (value: unknown) => void,
      });
  }
}

/** The error as those outside should see it. */
function translated(error: unknown, name: string, args: readonly unknown[]): unknown {
  if (!types.isNativeError(error) || error instanceof IsotorchError || !isOurs(error)) return error;
  if (error.name !== 'TypeError' && error.name !== 'RangeError') return error;
  const given = args.map((argument) => described(argument)).join(', ');
  const message = `${name} can't be called with (${given}): ${error.message}. Its documentation says what it takes`;
  return new IsotorchError('ERR_ARGUMENT', message, { cause: error });
}

/** Objects may do anything when they are looked at. */
function described(value: unknown): string {
  try {
    return describe(value);
  } catch {
    return 'an object that throws';
  }
}

/** Whether the error arose in this package, or in Node when this package called it. */
function isOurs(error: Error): boolean {
  const place = String(error.stack)
    .split('\n')
    .map((line) => /^\s+at (?:.*? \()?(?:async )?(.+?):\d+:\d+\)?$/.exec(line)?.[1])
    .find((file) => file !== undefined && !file.startsWith('node:'));
  return place !== undefined && homes.some((prefix) => place.startsWith(prefix));
}
