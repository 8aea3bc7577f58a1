// Layers without parameters, a row each: what they are made with, and the function of `nn.functional` that they call.
//
//   /** Keeps what is larger than `lambd` in size (`torch.nn.Hardshrink`). */
//   export class Hardshrink extends layer<[lambd?: number]>()({ lambd: bare(float(0.5)) }, F.hardshrink) {}
//
// The row is a class with PyTorch's constructor, defaults, checks and print, and editors find it by its name.

import { IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { type Fields, read, show, type Values } from './fields.js';
import { Module } from './module.js';

/** What a formula sees of its layer: its fields, and the mode. */
export type Settings<F extends Fields> = Values<F> & { readonly training: boolean };

type Formula<F extends Fields, Inputs extends unknown[], Output> = (
  ...inputs: [...Required<Inputs>, settings: Settings<F>]
) => Output;

/** What all rows extend. */
export class Layer<Inputs extends unknown[], Output> extends Module<Output, Inputs> {
  readonly #fields: Fields;
  readonly #formula: (...inputs: unknown[]) => Output;
  readonly #inputs: readonly [least: number, most: number];

  /** @internal */
  constructor(
    fields: Fields,
    formula: (...inputs: never) => Output,
    inputs: readonly [least: number, most: number],
    args: readonly unknown[],
  ) {
    super();
    this.#fields = fields;
    this.#formula = formula as (...inputs: unknown[]) => Output;
    this.#inputs = inputs;
    Object.assign(this, read(new.target.name, fields, args));
  }

  override forward(...inputs: Inputs): Output {
    const [least, most] = this.#inputs;
    if (inputs.length < least || inputs.length > most) throw this.#miscounted(inputs.length);
    if (inputs.length < most) inputs.length = most; // optional ones are undefined, and the layer comes after them
    return this.#formula(...inputs, this);
  }

  #miscounted(received: number): IsotorchError {
    const [least, most] = this.#inputs;
    const wanted = least === most ? `${most} ${most === 1 ? 'input' : 'inputs'}` : `${least} to ${most} inputs`;
    return new IsotorchError('ERR_ARGUMENT', `${this.constructor.name}: expected ${wanted} but received ${received}`);
  }

  override extraRepr(): string {
    return show(this.#fields, this as unknown as Values<Fields>);
  }
}

/** The class that a row extends. */
export type LayerClass<Arguments extends unknown[], Inputs extends unknown[], Output, Settings> = new (
  ...args: Arguments
) => Layer<Inputs, Output> & Settings;

/**
 * Makes the class of a layer.
 *
 * `Arguments` are the constructor's for TypeScript: PyTorch's first ones by position, the others by name in a last object.
 * At run time every field may be given either way. `Inputs` are forward's.
 * @param fields in PyTorch's order
 * @param formula takes the inputs and then the layer itself, whose fields serve as options
 * @param most how many inputs there are
 * @param least how many must be given
 */
export function layer<Arguments extends unknown[], Inputs extends unknown[] = [input: Tensor], Output = Tensor>() {
  return <F extends Fields>(
    fields: F,
    formula: Formula<F, Inputs, Output>,
    most: number = 1,
    least = most,
  ): LayerClass<Arguments, Inputs, Output, Values<F>> =>
    class extends Layer<Inputs, Output> {
      constructor(...args: Arguments) {
        super(fields, formula, [least, most], args);
      }
    } as LayerClass<Arguments, Inputs, Output, Values<F>>;
}
