// Element-wise activations. Each is a module so that it can stand in a Sequential; `x.relu()` does the same without one.

import { expected } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { finite, flag } from './arguments.js';
import { Module } from './module.js';
import { settings } from './print.js';

export interface InplaceOptions {
  /** Writes into the input instead of a new tensor: less memory, and the input is gone. @default false */
  inplace?: boolean;
}

abstract class Activation extends Module {
  readonly inplace: boolean;

  constructor({ inplace = false }: InplaceOptions = {}) {
    super();
    this.inplace = flag(inplace, 'inplace');
  }

  override extraRepr(): string {
    return this.inplace ? 'inplace=True' : '';
  }
}

/** `max(0, x)` (`torch.nn.ReLU`). */
export class ReLU extends Activation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.relu_() : input.relu();
  }
}

/** x · σ(x), also called Swish (`torch.nn.SiLU`). */
export class SiLU extends Activation {
  override forward(input: Tensor): Tensor {
    return this.inplace ? input.silu_() : input.silu();
  }
}

/** x where positive, `negativeSlope`·x elsewhere (`torch.nn.LeakyReLU`). */
export class LeakyReLU extends Activation {
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01, options: InplaceOptions = {}) {
    super(options);
    this.negativeSlope = finite(negativeSlope, 'negativeSlope');
  }

  override forward(input: Tensor): Tensor {
    return this.inplace ? input.leakyRelu_(this.negativeSlope) : input.leakyRelu(this.negativeSlope);
  }

  override extraRepr(): string {
    return settings({ negative_slope: this.negativeSlope, ...(this.inplace ? { inplace: true } : {}) });
  }
}

/** x · Φ(x), Φ the normal distribution's (`torch.nn.GELU`). */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  /** @param options.approximate `'tanh'` for the older, approximate form. @default 'none' */
  constructor({ approximate = 'none' }: { approximate?: 'none' | 'tanh' } = {}) {
    super();
    if (approximate !== 'none' && approximate !== 'tanh')
      throw expected("'none' or 'tanh'", 'approximate', approximate);
    this.approximate = approximate;
  }

  override forward(input: Tensor): Tensor {
    return this.approximate === 'none' ? input.gelu() : input.gelu({ approximate: this.approximate });
  }

  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** 1 / (1 + e^−x) (`torch.nn.Sigmoid`). */
export class Sigmoid extends Module {
  override forward(input: Tensor): Tensor {
    return input.sigmoid();
  }
}

/** The hyperbolic tangent (`torch.nn.Tanh`). */
export class Tanh extends Module {
  override forward(input: Tensor): Tensor {
    return input.tanh();
  }
}
