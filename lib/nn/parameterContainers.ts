// Several parameters in one field: a plain array's would be neither trained nor saved.

import { expected, IsotorchError } from '../errors.js';
import { type DType, Parameter, Tensor } from '../tensor/index.js';
import { Module } from './module.js';
import { placeAmong } from './moduleSequence.js';

function parameterOf(value: Tensor, name: string): Parameter {
  if (!(value instanceof Tensor)) throw expected('a Parameter or a Tensor', name, value);
  return value instanceof Parameter ? value : new Parameter(value);
}

abstract class ParameterContainer extends Module<never, never[]> {
  /** @throws ERR_ARGUMENT always. */
  override forward(): never {
    throw new IsotorchError('ERR_ARGUMENT', `A ${this.constructor.name} has no forward: use its parameters`);
  }

  /** PyTorch's name of a kind of tensor. */
  protected abstract kind(parameter: Parameter): string;

  override extraRepr(): string {
    const lines = [...this.ownParameters()].map(([name, parameter]) => {
      const place = parameter.device === 'cpu' ? '' : ` (${parameter.device})`;
      const size = parameter.shape.join('x');
      return `  (${name}): Parameter containing: [${this.kind(parameter)} of size ${size}${place}]`;
    });
    return lines.join('\n');
  }
}

/**
 * Parameters named '0', '1', … (`torch.nn.ParameterList`); tensors become parameters.
 * @example scales = new nn.ParameterList([torch.ones([3]), torch.ones([5])]);
 */
export class ParameterList extends ParameterContainer {
  #list: Parameter[] = [];

  constructor(parameters: Iterable<Tensor> = []) {
    super();
    this.extend(parameters);
  }

  /** Adds a parameter at the end. Returns this list. */
  append(value: Tensor): this {
    const parameter = parameterOf(value, 'parameter');
    this.#list.push(this.registerParameter(String(this.#list.length), parameter));
    return this;
  }

  /** Adds parameters at the end. Returns this list. */
  extend(values: Iterable<Tensor>): this {
    for (const value of values) this.append(value);
    return this;
  }

  /** Puts a parameter in the place of the one at `index`. Returns this list. */
  set(index: number, value: Tensor): this {
    const renewed = this.#list.with(placeAmong(index, this.length), parameterOf(value, 'parameter'));
    for (const name of this.#list.keys()) this.unregister(String(name));
    this.#list = [];
    return this.extend(renewed);
  }

  get length(): number {
    return this.#list.length;
  }

  /** The parameter at that place, from the end if negative. */
  at(index: number): Parameter | undefined {
    return this.#list.at(index);
  }

  /** A list of those from `start` to before `end`, as an array's `slice`. */
  slice(start?: number, end?: number): ParameterList {
    return new ParameterList(this.#list.slice(start, end));
  }

  [Symbol.iterator](): Iterator<Parameter> {
    return this.#list[Symbol.iterator]();
  }

  protected override kind({ dtype }: Parameter): string {
    return `torch.${dtype}`;
  }
}

/** As `torch.typename` calls tensors; others go by their dtype. */
const typeNames: Partial<Record<DType, string>> = {
  float32: 'FloatTensor',
  float64: 'DoubleTensor',
  float16: 'HalfTensor',
  bfloat16: 'BFloat16Tensor',
};

/**
 * Parameters by name (`torch.nn.ParameterDict`); tensors become parameters. A plain object's are sorted by name, as PyTorch
 * sorts a dict's; those of a Map or of entries stay in their order.
 * @example new nn.ParameterDict({ left: torch.ones([3]), right: torch.ones([3]) });
 */
export class ParameterDict extends ParameterContainer {
  constructor(parameters: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]> = {}) {
    super();
    this.update(parameters);
  }

  /** Adds a parameter, or puts it in the place of the one of that name. Returns this dict. */
  set(name: string, value: Tensor): this {
    const parameter = parameterOf(value, name);
    if (!this.has(name)) this.registerParameter(name, parameter);
    else {
      const renewed = [...this].map(([key, old]) => [key, key === name ? parameter : old] as const);
      this.clear();
      for (const [key, item] of renewed) this.registerParameter(key, item);
    }
    return this;
  }

  /** `set` for each. Returns this dict. */
  update(parameters: Readonly<Record<string, Tensor>> | Iterable<readonly [string, Tensor]>): this {
    const byName = ([a]: readonly [string, Tensor], [b]: readonly [string, Tensor]) => (a < b ? -1 : 1);
    const entries = Symbol.iterator in parameters ? parameters : Object.entries(parameters).sort(byName);
    for (const [name, value] of entries) this.set(name, value);
    return this;
  }

  get(name: string): Parameter | undefined {
    return this.ownParameters().get(name);
  }

  has(name: string): boolean {
    return this.ownParameters().has(name);
  }

  /** Takes a parameter out and gives it; undefined where there is none. */
  pop(name: string): Parameter | undefined {
    const parameter = this.get(name);
    this.unregister(name);
    return parameter;
  }

  clear(): void {
    for (const name of this.keys()) this.unregister(name);
  }

  get size(): number {
    return this.ownParameters().size;
  }

  keys(): IterableIterator<string> {
    return this.ownParameters().keys();
  }

  values(): IterableIterator<Parameter> {
    return this.ownParameters().values();
  }

  [Symbol.iterator](): IterableIterator<[string, Parameter]> {
    return this.ownParameters().entries();
  }

  protected override kind({ dtype, device }: Parameter): string {
    const place = device === 'cpu' ? '' : `${device.replace(/:.*/, '')}.`;
    return typeNames[dtype] ? `torch.${place}${typeNames[dtype]}` : `torch.${dtype}`;
  }
}
