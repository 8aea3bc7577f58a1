// What the heads have in common: their sizes, and the temperature that divides the logits.

import { positive, wholeNumber } from '../arguments.js';
import { type FactoryOptions, Module } from '../nn/index.js';
import { capture, type Tensor } from '../tensor/index.js';

export interface HeadOptions extends FactoryOptions {
  /** T: divides the logits. It stays 1 in training; a calibration after it may change the attribute. @default 1 */
  temperature?: number;
}

/** The first part of a loss: the last layer, features [N, d] → logits [N, classes]. */
export abstract class Head extends Module {
  readonly numFeatures: number;
  readonly numClasses: number;
  /** T. */
  temperature: number;

  constructor(numFeatures: number, numClasses: number, temperature = 1) {
    super();
    this.numFeatures = wholeNumber(numFeatures, 'numFeatures');
    this.numClasses = wholeNumber(numClasses, 'numClasses');
    this.temperature = positive(temperature, 'temperature');
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
