// What the heads have in common: their sizes, and the temperature that divides the logits.

import { expected } from '../errors.js';
import { type FactoryOptions, Module } from '../nn/index.js';
import { capture, type Tensor } from '../tensor/index.js';

export interface HeadOptions extends FactoryOptions {
  /** T: divides the logits. It stays 1 in training; a calibration after it may change the attribute. @default 1 */
  temperature?: number;
}

/** The options of a parameter's factory. */
export const factory = ({ dtype, device }: HeadOptions): FactoryOptions => ({
  ...(dtype === undefined ? {} : { dtype }),
  ...(device === undefined ? {} : { device }),
});

export function checkTemperature(temperature: unknown): number {
  if (typeof temperature !== 'number' || !(temperature > 0 && Number.isFinite(temperature)))
    throw expected('a positive number', 'temperature', temperature);
  return temperature;
}

/** The first part of a loss: the last layer, features [N, d] → logits [N, classes]. */
export abstract class Head extends Module {
  readonly numFeatures: number;
  readonly numClasses: number;
  /** T. */
  temperature: number;

  constructor(numFeatures: number, numClasses: number, temperature = 1) {
    super();
    for (const [name, value] of Object.entries({ numFeatures, numClasses }))
      if (!Number.isSafeInteger(value) || value < 1) throw expected('a whole number of 1 or more', name, value);
    this.numFeatures = numFeatures;
    this.numClasses = numClasses;
    this.temperature = checkTemperature(temperature);
  }

  readonly #readTemperature = () => this.temperature;

  protected tempered(logits: Tensor): Tensor {
    capture.dependsOn(this.#readTemperature);
    return this.temperature === 1 ? logits : logits.div(this.temperature);
  }

  override extraRepr(): string {
    return `num_features=${this.numFeatures}, num_classes=${this.numClasses}`;
  }

  override brief(): string {
    return `${this.constructor.name} ${this.numFeatures} → ${this.numClasses}`;
  }
}
