// How fast training goes and how long it will still take. Calls back a few times a second at most, because each report
// reads numbers from the device, and on an accelerator that waits for all work before it.

import type { Meter } from './meter.js';

/** Where training stands. */
export interface Progress {
  readonly phase: 'train' | 'validate';
  /** Counted from 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done of this pass over the training (or validation) set. */
  readonly step: number;
  readonly steps: number;
  /** Of this pass so far. */
  readonly loss: number;
  /** A fraction; NaN where the targets are no classes. */
  readonly accuracy: number;
  readonly imagesPerSecond: number;
  /** Until the last epoch is done. */
  readonly secondsLeft: number;
}

export interface PaceOptions {
  readonly epochs: number;
  /** Training steps an epoch. */
  readonly steps: number;
  /** Milliseconds between two reports. */
  readonly interval: number;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export class Pace {
  /** Training time of the current epoch in seconds, without validation; of all processes that worked on it. */
  seconds = 0;
  readonly #options: PaceOptions;
  #lastReport = Number.NEGATIVE_INFINITY;
  #began = 0;
  #last = 0;
  #imagesAtBegin = 0;
  /** Steps and their seconds in this process: what the forecast rests on. */
  #steps = 0;
  #stepSeconds = 0;
  #validationSeconds = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** A pass over the training or the validation set begins. */
  begin(imagesDone: number): void {
    this.#began = performance.now();
    this.#imagesAtBegin = imagesDone;
    this.#last = this.#began;
  }
  /** After `count` training steps: counts their time. */
  stepped(count: number): void {
    const now = performance.now();
    this.seconds += (now - this.#last) / 1000;
    this.#stepSeconds += (now - this.#last) / 1000;
    this.#steps += count;
    this.#last = now;
  }

  /** How many steps take about so many seconds, going by those so far. */
  stepsIn(seconds: number): number {
    return this.#steps === 0 ? 1 : Math.max(1, Math.floor((seconds * this.#steps) / this.#stepSeconds));
  }

  /** At the end of a validation pass. */
  validated(): void {
    this.#validationSeconds = (performance.now() - this.#began) / 1000;
  }

  /** Reports, if it is time to. `step` of `steps` in this phase; `epoch` is counted from 0. */
  async report(
    phase: Progress['phase'],
    epoch: number,
    step: number,
    steps: number,
    meter: Pick<Meter, 'read'>,
  ): Promise<void> {
    const { onProgress, interval, epochs } = this.#options;
    const now = performance.now();
    if (!onProgress || now - this.#lastReport < interval) return;
    this.#lastReport = now;
    const { loss, accuracy, images } = await meter.read(` of epoch ${epoch + 1}`);
    onProgress({
      phase,
      epoch: epoch + 1,
      epochs,
      step,
      steps,
      loss,
      accuracy,
      imagesPerSecond: (images - this.#imagesAtBegin) / ((now - this.#began) / 1000),
      secondsLeft: this.#secondsLeft(phase, epoch, step),
    });
  }

  #secondsLeft(phase: Progress['phase'], epoch: number, step: number): number {
    const { epochs, steps } = this.#options;
    const perStep = this.#steps > 0 ? this.#stepSeconds / this.#steps : Number.NaN;
    const passes = epochs - epoch - 1;
    const ownSteps = phase === 'train' ? steps - step : 0;
    return (ownSteps + passes * steps) * perStep + (passes + 1) * this.#validationSeconds;
  }
}
