// Parameters that are functions of others (`torch.nn.utils.parametrize`): a module's `weight` is computed from what is stored
// and learnt, each time it is read.

import { expected, IsotorchError } from '../../errors.js';
import { Buffer, Parameter, Tensor, torch } from '../../tensor/index.js';
import { type AnyModule, Module } from '../module.js';
import { ModuleDict } from '../moduleDict.js';
import { ModuleSequence } from '../moduleSequence.js';
import { snakeCase } from '../names.js';

/** A module from what is stored to what is read. */
export interface Parametrization extends Module<Tensor, Tensor[]> {
  /** The other way: what is to be stored so that `value` is read. Without it, the value itself is stored. */
  rightInverse?(value: Tensor): Tensor | readonly Tensor[];
}

export interface ParametrizationOptions {
  /** Leaves out the check that shape and dtype stay. @default false */
  unsafe?: boolean;
}

const asList = (value: Tensor | readonly Tensor[]): readonly Tensor[] => (value instanceof Tensor ? [value] : value);

/**
 * The parametrizations of one tensor, the first applied first, and what is stored: `original`, or `original0`, `original1`, …
 * where the first takes several (`torch.nn.utils.parametrize.ParametrizationList`).
 */
export class ParametrizationList extends ModuleSequence<Parametrization, Tensor, []> {
  readonly #originals: (Parameter | Buffer)[] = [];

  constructor(parametrization: Parametrization, value: Parameter | Buffer) {
    super();
    const inverse = parametrization.rightInverse;
    const stored = torch.noGrad(() => (inverse ? inverse.call(parametrization, value.detach()) : value));
    const several = Array.isArray(stored);
    for (const [i, tensor] of asList(stored).entries()) {
      const name = several ? `original${i}` : 'original';
      this.#originals.push(this.#store(name, tensor, value));
    }
    this.append(parametrization);
  }

  /** The parameter itself goes on where it can, so that optimizers keep it. */
  #store(name: string, tensor: Tensor, value: Parameter | Buffer): Parameter | Buffer {
    if (!(tensor instanceof Tensor)) throw expected('Tensors', 'the result of rightInverse', tensor);
    if (value instanceof Buffer)
      return this.registerBuffer(name, tensor === value ? value : new Buffer(tensor, value.persistent));
    if (name !== 'original') return this.registerParameter(name, new Parameter(tensor.clone(), value.requiresGrad));
    if (tensor !== value) value.replace_(tensor.detach().clone().requiresGrad_(value.requiresGrad));
    return this.registerParameter(name, value);
  }

  /** What is stored. */
  get originals(): readonly (Parameter | Buffer)[] {
    return this.#originals;
  }

  override forward(): Tensor {
    let value: Tensor | undefined;
    for (const parametrization of this)
      value = value === undefined ? parametrization.forward(...this.#originals) : parametrization.forward(value);
    return value!;
  }

  /** Stores what gives `value`. @throws ERR_ARGUMENT where a parametrization has no `rightInverse` */
  assign(value: Tensor): void {
    torch.noGrad(() => {
      let stored: Tensor | readonly Tensor[] = value;
      for (const parametrization of [...this].reverse()) {
        if (!parametrization.rightInverse)
          throw new IsotorchError(
            'ERR_ARGUMENT',
            `${parametrization.constructor.name} has no rightInverse: its value can't be set`,
          );
        stored = parametrization.rightInverse(stored as Tensor);
      }
      for (const [i, tensor] of asList(stored).entries()) this.#originals[i]!.copy_(tensor);
    });
  }
}

/** What parametrized modules hold their lists in. */
const held = new WeakMap<AnyModule, ModuleDict<ParametrizationList>>();

type Fields = Record<string, unknown>;

/** Whether the module, or its tensor of that name, has parametrizations. */
export function isParametrized(module: AnyModule, name?: string): boolean {
  const lists = held.get(module);
  return lists !== undefined && (name === undefined ? lists.size > 0 : lists.has(snakeCase(name)));
}

/** The parametrizations of a module's tensor; undefined where there are none. */
export function parametrizationsOf(module: AnyModule, name: string): ParametrizationList | undefined {
  return held.get(module)?.get(snakeCase(name));
}

/**
 * Lets `module[name]` be what `parametrization` gives (`torch.nn.utils.parametrize.register_parametrization`). State-dict
 * keys are PyTorch's: `parametrizations.weight.original`, … Several on one tensor follow each other. Returns the module.
 * @param name the field, such as `weight`.
 * @throws ERR_ARGUMENT for a field that is no parameter or buffer; ERR_SHAPE or ERR_DTYPE where those would change
 * @example parametrize.registerParametrization(layer, 'weight', new Symmetric());
 */
export function registerParametrization<M extends AnyModule>(
  module: M,
  name: string,
  parametrization: Parametrization,
  { unsafe = false }: ParametrizationOptions = {},
): M {
  if (!(module instanceof Module)) throw expected('a Module', 'module', module);
  if (!(parametrization instanceof Module)) throw expected('a Module', 'parametrization', parametrization);
  parametrization.train((module as AnyModule).training);
  const value = (module as unknown as Fields)[name];
  const list = parametrizationsOf(module, name);
  if (list !== undefined) {
    if (!unsafe) checkKept(value as Tensor, parametrization.forward(value as Tensor), name);
    list.append(parametrization);
    return module;
  }
  if (!(value instanceof Parameter || value instanceof Buffer))
    throw expected('a field that holds a parameter or a buffer', 'name', name);
  const facts = { shape: value.shape, dtype: value.dtype };
  const made = new ParametrizationList(parametrization, value);
  if (!unsafe) torch.noGrad(() => checkKept(facts, made.forward(), name));
  Object.defineProperty(module, name, {
    get: () => made.forward(),
    set: (next: Tensor) => made.assign(next),
    configurable: true,
    enumerable: false, // its parts are those that can be listed
  });
  let lists = held.get(module);
  if (lists === undefined) {
    lists = new ModuleDict<ParametrizationList>();
    held.set(module, lists);
    module.registerModule('parametrizations', lists);
  }
  lists.set(snakeCase(name), made);
  return module;
}

function checkKept(before: { shape: readonly number[]; dtype: string }, after: Tensor, name: string): void {
  if (after.shape.join() !== before.shape.join())
    throw expected(
      `a parametrization that keeps the shape [${before.shape.join(', ')}] (or unsafe: true)`,
      name,
      after,
      'ERR_SHAPE',
    );
  if (after.dtype !== before.dtype)
    throw expected(`a parametrization that keeps ${before.dtype} (or unsafe: true)`, name, after, 'ERR_DTYPE');
}

/**
 * Takes the parametrizations of a tensor away (`torch.nn.utils.parametrize.remove_parametrizations`). Returns the module.
 * @param options.leaveParametrized whether the value that was read stays, else what was stored. @default true
 * @throws ERR_ARGUMENT where there are none, or several tensors were stored and one is to stay
 */
export function removeParametrizations<M extends AnyModule>(
  module: M,
  name: string,
  { leaveParametrized = true }: { leaveParametrized?: boolean } = {},
): M {
  const lists = held.get(module);
  const list = lists?.get(snakeCase(name));
  if (!lists || !list) throw expected('a parametrized field', 'name', name);
  const [first, ...others] = list.originals as [Parameter | Buffer, ...(Parameter | Buffer)[]];
  let left = first;
  if (leaveParametrized) {
    const value = torch.noGrad(() => list.forward());
    if (others.length > 0)
      left = first instanceof Buffer ? new Buffer(value) : new Parameter(value, first.requiresGrad);
    else torch.noGrad(() => void first.replace_(value.clone().requiresGrad_(first.requiresGrad)));
  } else if (others.length > 0) {
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `${name} is computed from ${list.originals.length} tensors, none of which can take its place: leave the parametrized value`,
    );
  }
  lists.pop(snakeCase(name));
  if (lists.size === 0) {
    held.delete(module);
    module.unregister('parametrizations');
  }
  Reflect.deleteProperty(module, name); // it comes last now, as in PyTorch
  Object.defineProperty(module, name, { value: left, writable: true, configurable: true, enumerable: true });
  return module;
}
