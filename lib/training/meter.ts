// Running sums of a pass over a data set: loss, right answers, steps. They stay on the device, so that a step never waits
// for a number to cross into JavaScript; `read()` brings them over when somebody wants to see them.

import { IsotorchError } from '../errors.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';

export interface Reading {
  /** Mean over the images so far; NaN before the first. */
  readonly loss: number;
  /** Fraction from 0 to 1. */
  readonly accuracy: number;
  readonly images: number;
}

export class Meter {
  /** Sum of loss × images, right answers, images, and the steps that came before the loss was no longer finite. */
  readonly #sums: Tensor;

  constructor(device: Device) {
    // Apple's GPUs know no float64; float32 counts exactly to 16 million images.
    this.#sums = torch.zeros([4], { dtype: device.startsWith('mps') ? 'float32' : 'float64', device }).keep();
  }

  /**
   * Takes a step's results in, all on the device.
   * @param loss the mean over the batch, a scalar
   * @param logits [B, classes]
   * @param labels int64 [K]: of the first K ≤ B images. The accuracy is theirs, standing for the batch
   */
  add(loss: Tensor, logits: Tensor, labels: Tensor): void {
    torch.noGrad(() =>
      tidy(() => {
        const sums = this.#sums;
        const [images, judged] = [logits.shape[0]!, labels.shape[0]!];
        const total = sums.select(0, 0).add(loss.to(sums.dtype), { alpha: images });
        const right = logits.narrow(0, 0, judged).argmax(1).eq(labels).sum();
        const correct = judged === images ? right : right.mul(images / judged);
        sums.select(0, 1).add_(correct);
        sums.select(0, 2).add_(images);
        sums.select(0, 3).add_(total.isfinite());
        sums.select(0, 0).copy_(total);
      }),
    );
  }

  /**
   * The sums so far, as means. Waits for the steps before, but does not block this thread.
   * @throws ERR_DATA when the loss has become infinite or NaN, with the step (counted from 1) at which it did
   */
  async read(where = ''): Promise<Reading> {
    const [loss, correct, images, finiteSteps] = Array.from(await this.#sums.toArray(), Number) as [
      number,
      number,
      number,
      number,
    ];
    if (!Number.isFinite(loss)) {
      throw new IsotorchError(
        'ERR_DATA',
        `The loss became ${loss} at step ${finiteSteps + 1}${where}. Usual causes: a learning rate that is too high, images ` +
          'that are not normalised, or weights that were not finite to begin with. Try a tenth of the learning rate',
      );
    }
    return {
      loss: images > 0 ? loss / images : Number.NaN,
      accuracy: images > 0 ? correct / images : Number.NaN,
      images,
    };
  }

  /** The sums, for a checkpoint: a tensor on their memory, to dispose of. */
  state(): Tensor {
    return this.#sums.detach();
  }

  loadState(state: Tensor): void {
    torch.noGrad(() => this.#sums.copy_(state));
  }

  reset(): void {
    torch.noGrad(() => this.#sums.zero_());
  }

  dispose(): void {
    this.#sums.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
