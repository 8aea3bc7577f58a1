// Weights averaged over a run: the exponential moving average of all steps, or the mean over its last epochs. Where there is an
// average, it is what is validated, saved, and left in the model; training goes on with the weights themselves.

import { oneOf, probability, wholeNumber } from '../arguments.js';
import { expected } from '../errors.js';
import type { Module, StateSource } from '../nn/index.js';
import { swaUtils } from '../optim/index.js';
import { capture, type Tensor } from '../tensor/index.js';

/** Buffers, such as the statistics of batch norm, are averaged as the weights are. */
export type AveragedSettings =
  /** After each step, average ← decay · average + (1 − decay) · weights. @default decay 0.999 */
  | { readonly kind: 'ema'; readonly decay?: number }
  /** Their mean after each epoch (Izmailov et al. 2018), from epoch `from` (counted from 1). @default three quarters of all */
  | { readonly kind: 'swa'; readonly from?: number };

export class Averaging<Output, Inputs extends unknown[]> {
  readonly #model: Module<Output, Inputs>;
  readonly #averaged: swaUtils.AveragedModel<Output, Inputs>;
  readonly #settings: AveragedSettings;
  readonly #from: number;
  /** Known to captured steps: before the first average, the weights stand for it. */
  #hasBegun = false;
  readonly #readBegun = () => this.#hasBegun;

  /** @throws ERR_ARGUMENT for settings out of range */
  constructor(model: Module<Output, Inputs>, settings: AveragedSettings, epochs: number) {
    if (typeof settings !== 'object' || settings === null)
      throw expected("{ kind: 'ema' | 'swa' }", 'averaged', settings);
    oneOf(['ema', 'swa'], settings.kind, 'averaged.kind');
    const decay = settings.kind === 'ema' ? probability(settings.decay ?? 0.999, 'averaged.decay') : 0;
    this.#from =
      settings.kind === 'swa'
        ? wholeNumber(settings.from ?? Math.floor(0.75 * epochs) + 1, 'averaged.from', 1, epochs)
        : Number.POSITIVE_INFINITY;
    const { getEmaMultiAvgFn, getSwaMultiAvgFn } = swaUtils;
    const multiAvgFn = settings.kind === 'ema' ? getEmaMultiAvgFn(decay) : getSwaMultiAvgFn();
    this.#settings = settings;
    this.#model = model;
    this.#averaged = new swaUtils.AveragedModel(model, { multiAvgFn, useBuffers: true });
  }

  /** Part of a captured step. */
  stepped(): void {
    if (this.#settings.kind === 'ema') this.#update();
  }

  /** @param epoch counted from 1 */
  epochEnded(epoch: number): void {
    // A run that was stopped while this epoch was validated comes here twice.
    if (epoch - this.#from >= this.#averaged.nAveraged.item()) this.#update();
  }

  #update(): void {
    this.#averaged.updateParameters(this.#model);
    this.#hasBegun = true;
  }

  /** Runs `fn` while the model has the averaged weights, if there are any. */
  during<T>(fn: () => T): T {
    capture.dependsOn(this.#readBegun);
    return this.#hasBegun ? this.#averaged.during(fn) : fn();
  }

  stateDict(): Map<string, Tensor> {
    return this.#averaged.stateDict();
  }

  loadStateDict(state: StateSource): void {
    this.#averaged.loadStateDict(state);
    this.#hasBegun = this.#averaged.nAveraged.item() > 0;
  }

  /** Puts the averages into the model. */
  finish(): void {
    if (!this.#hasBegun) return;
    const state = this.#averaged.during(() => this.#model.stateDict());
    this.#model.loadStateDict(state);
    for (const tensor of state.values()) tensor.dispose();
  }

  dispose(): void {
    for (const tensor of [...this.#averaged.parameters(), ...this.#averaged.buffers()]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
