// The steps of one pass, captured or eager: the trainer's loop does not need to know which.

import { setImmediate as turn } from 'node:timers/promises';
import { IsotorchError } from '../errors.js';
import { type CapturedStep, capture, tidy } from '../tensor/index.js';
import type { Picks } from './feed.js';

export class Steps {
  readonly #body: (picks: Picks) => void;
  readonly #captured: CapturedStep<[Picks], void> | undefined;

  constructor(body: (picks: Picks) => void, captured = true) {
    this.#body = body;
    this.#captured = captured ? capture(body, { name: 'the training step' }) : undefined;
  }

  /**
   * Runs `count` steps with what `picks` gives, which stays open; fewer when `signal` comes between two of them.
   * @returns how many it ran
   */
  async take(picks: Iterable<Picks>, count: number, signal: AbortSignal | undefined): Promise<number> {
    let done = 0;
    if (this.#captured) {
      try {
        await this.#captured.repeat(picks, { count, signal });
        return count;
      } catch (error) {
        if (!(error instanceof IsotorchError)) throw error;
        if (error.code === 'ERR_ABORTED' && signal?.aborted) return error.steps ?? 0;
        if (error.code !== 'ERR_CAPTURE') throw error;
        const advice = 'With { capture: false } the trainer runs each step in JavaScript';
        throw new IsotorchError(error.code, `${error.message}\n  ${advice}`, { cause: error });
      }
    }
    const iterator = picks[Symbol.iterator]();
    while (done < count && !signal?.aborted) {
      const next = iterator.next();
      if (next.done) break;
      tidy(() => this.#body(next.value));
      done++;
      await turn(); // signals, timers and input
    }
    return done;
  }

  dispose(): void {
    this.#captured?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
