// Installs LibTorch's operators where PyTorch has them: methods on Tensor for those whose first argument is a tensor,
// functions in `torch`, `torch.linalg`, `torch.fft`, `torch.special`, and all of them under `torch.ops`.

import { native } from '../native.js';
import { composedMethods } from './composed/index.js';
import { Operator, operator } from './dispatch.js';
import { members } from './members/index.js';
import { camelCase, type Namespace, placeOf } from './names.js';
import { Tensor } from './tensor.js';

export type OperatorFunction<Result = unknown> = (...args: unknown[]) => Result;
/** An operator and each of its overloads, which take other arguments and may give other results. */
export type Overloads<Results> = OperatorFunction<Results[keyof Results]> & {
  readonly [Name in keyof Results]: OperatorFunction<Results[Name]>;
};
export type OperatorNamespace = Record<string, OperatorFunction & Record<string, OperatorFunction>>;

/** Names on Tensor that are code of this house, not operators. */
export const ownMethods: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(Tensor.prototype),
  ...Object.keys(composedMethods),
  ...members.flatMap(Object.getOwnPropertyNames),
]);

/** A function whose first argument is the tensor, as a method. */
function asMethod(name: string, fn: (self: Tensor, ...args: never[]) => unknown): OperatorFunction {
  const method = function (this: Tensor, ...args: never[]): unknown {
    return fn(this, ...args);
  };
  return Object.defineProperty(method, 'name', { value: name }) as OperatorFunction;
}

function installOwnMembers(): void {
  const install = (key: string | symbol, descriptor: PropertyDescriptor | undefined) =>
    Object.defineProperty(Tensor.prototype, key, { ...descriptor, configurable: true, enumerable: false });
  for (const some of members)
    for (const key of Reflect.ownKeys(some)) install(key, Object.getOwnPropertyDescriptor(some, key));
  for (const [name, fn] of Object.entries(composedMethods))
    install(name, { value: asMethod(name, fn as (self: Tensor, ...args: never[]) => unknown), writable: true });
}

/** A method of Tensor; the lengths that hot loops use get by without an array of arguments. */
function methodOf(name: string, op: Operator): OperatorFunction {
  const method = function (this: unknown, ...args: unknown[]): unknown {
    switch (args.length) {
      case 0:
        return op.call1(this);
      case 1:
        return op.call2(this, args[0]);
      case 2:
        return op.call3(this, args[0], args[1]);
      default:
        return op.call([this, ...args]);
    }
  };
  return Object.defineProperty(method, 'name', { value: name });
}

function functionOf(name: string, op: Operator): OperatorFunction {
  const fn = (...args: unknown[]): unknown => {
    switch (args.length) {
      case 1:
        return op.call1(args[0]);
      case 2:
        return op.call2(args[0], args[1]);
      case 3:
        return op.call3(args[0], args[1], args[2]);
      default:
        return op.call(args);
    }
  };
  return Object.defineProperty(fn, 'name', { value: name });
}

/** The operator functions of each namespace of aten, keyed as PyTorch keys them ('' is `torch` itself). */
export function installOperators(): Record<Namespace | '', Record<string, OperatorFunction>> {
  const functions: Record<Namespace | '', Record<string, OperatorFunction>> = {
    '': {},
    linalg: {},
    fft: {},
    special: {},
  };
  installOwnMembers();
  for (const full of native.operatorNames()) {
    if (!full.startsWith('aten::')) continue;
    const plain = full.slice('aten::'.length);
    const op = operator(full);
    const [namespace, name] = placeOf(plain);
    functions[namespace][camelCase(name)] = functionOf(camelCase(name), op);
    // Which operators take a tensor first is not known without asking for each; a wrong `this` is told in the call.
    const method = camelCase(plain);
    if (ownMethods.has(method)) continue;
    Object.defineProperty(Tensor.prototype, method, {
      value: methodOf(method, op),
      writable: true,
      configurable: true,
    });
  }
  return functions;
}

/** Names that JavaScript itself looks up, by `await` and `JSON.stringify`: no operator is meant. */
const protocols: ReadonlySet<string> = new Set(['then', 'toJSON']);

/** What `make` gives for a name, made on first use. */
function lookedUp<Value extends object>(make: (name: string) => Value): Record<string, Value> {
  return new Proxy({} as Record<string, Value>, {
    get(known, name) {
      if (typeof name !== 'string' || protocols.has(name) || name in Object.prototype) return Reflect.get(known, name);
      known[name] ??= make(name);
      return known[name];
    },
  });
}

/** `torch.ops`: every namespace, operator and overload by name, `torch.ops.aten.add.Tensor(a, b)`. */
export const ops: Record<string, OperatorNamespace> = lookedUp((namespace) =>
  lookedUp((name) => withOverloads(namespace, name)),
);

/** The schema's own name for a camelCase one: LibTorch mixes styles, so the list decides. */
function schemaName(namespace: string, name: string): string {
  byCamelCase ??= new Map(native.operatorNames().map((full) => [camelCase(full), full]));
  const full = `${namespace}::${name}`;
  return byCamelCase.get(camelCase(full)) ?? full;
}
let byCamelCase: Map<string, string> | undefined;

function withOverloads(namespace: string, name: string): OperatorFunction & Record<string, OperatorFunction> {
  const op = operator(schemaName(namespace, name));
  const fn = functionOf(name, op) as OperatorFunction & Record<string, OperatorFunction>;
  return new Proxy(fn, {
    get(target, overload) {
      if (typeof overload !== 'string' || overload in target) return Reflect.get(target, overload);
      const only = new Operator(op.name, overload === 'default' ? '' : overload);
      return only.overloads.length === 0 ? undefined : functionOf(overload, only);
    },
  });
}
