// Running sums of a pass over a data set: loss, right answers, steps, metrics of the caller's. They stay on the device, so that a step never waits
// for a number to cross into JavaScript; `read()` brings them over when somebody wants to see them.

import { expected, IsotorchError } from '../errors.js';
import { type Device, Tensor, tidy, torch } from '../tensor/index.js';

export interface Reading {
  /** Mean over the images so far; NaN before the first. */
  readonly loss: number;
  /** Fraction from 0 to 1; NaN where the targets are no classes. */
  readonly accuracy: number;
  readonly images: number;
  /** Means of the caller's metrics, over the images too; undefined where there are none. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/**
 * A number of a batch: what the model gave and what it should have given → a scalar tensor, by operators alone. Its mean over the
 * examples is kept, each batch counting as often as it has examples.
 */
export type Metric<Outputs = Tensor> = (outputs: Outputs, targets: Tensor) => Tensor;

export type Metrics<Outputs = Tensor> = Readonly<Record<string, Metric<Outputs>>>;

/** @throws ERR_ARGUMENT for what is no function, and names that are taken */
export function checkMetrics(metrics: unknown): void {
  if (typeof metrics !== 'object' || metrics === null) throw expected('an object of functions', 'metrics', metrics);
  for (const [name, metric] of Object.entries(metrics)) {
    if (typeof metric !== 'function')
      throw expected('a function (outputs, targets) → scalar', `metrics.${name}`, metric);
    if (name === 'loss' || name === 'accuracy')
      throw expected('a name other than loss and accuracy, which are there already,', 'metrics', name);
  }
}

/** Loss, right answers, images, finite steps. */
const OWN = 4;

export class Meter<Outputs = Tensor> {
  /** Sum of loss × images, right answers, images, the steps that came before the loss was no longer finite, metrics × images. */
  readonly #sums: Tensor;
  readonly #metrics: readonly [string, Metric<Outputs>][];

  constructor(device: Device, metrics: Metrics<Outputs> = {}) {
    this.#metrics = Object.entries(metrics);
    // Apple's GPUs know no float64; float32 counts exactly to 16 million images.
    this.#sums = torch
      .zeros([OWN + this.#metrics.length], { dtype: device.startsWith('mps') ? 'float32' : 'float64', device })
      .keep();
  }

  /**
   * Takes a batch's results in, all on the device.
   * @param loss the mean over the batch, a scalar
   * @param outputs logits [B, classes] where one should know the accuracy
   * @param targets of the first K ≤ B examples, int64 [K] where they are classes. Accuracy and metrics are theirs, standing for the batch
   * @param images B
   * @param isLast false for a batch that others of the same step follow
   */
  add(loss: Tensor, outputs: Outputs, targets: Tensor, images: number, isLast = true): void {
    torch.noGrad(() =>
      tidy(() => {
        const sums = this.#sums;
        const total = sums.select(0, 0).add(loss.to(sums.dtype), { alpha: images });
        const judged = targets.ndim > 0 ? Math.min(targets.shape[0]!, images) : images;
        const whole = judged === images || !(outputs instanceof Tensor);
        const answers = whole ? outputs : ((outputs as Tensor).narrow(0, 0, judged) as Outputs);
        const right = rightAnswers(answers, targets, images);
        if (right) sums.select(0, 1).add_(right);
        else sums.select(0, 1).fill_(Number.NaN);
        sums.select(0, 2).add_(images);
        if (isLast) sums.select(0, 3).add_(total.isfinite());
        for (const [i, [name, metric]] of this.#metrics.entries())
          sums.select(0, OWN + i).add_(scalar(metric(answers, targets), name).to(sums.dtype), { alpha: images });
        sums.select(0, 0).copy_(total);
      }),
    );
  }

  /**
   * The sums so far, as means. Waits for the steps before, but does not block this thread.
   * @throws ERR_DATA when the loss has become infinite or NaN, with the step (counted from 1) at which it did
   */
  async read(where = ''): Promise<Reading> {
    const [loss, correct, images, finiteSteps, ...own] = Array.from(await this.#sums.toArray(), Number) as [
      number,
      number,
      number,
      number,
      ...number[],
    ];
    if (!Number.isFinite(loss)) {
      throw new IsotorchError(
        'ERR_DATA',
        `The loss became ${loss} at step ${finiteSteps + 1}${where}. Usual causes: a learning rate that is too high, images ` +
          'that are not normalised, or weights that were not finite to begin with. Try a tenth of the learning rate',
      );
    }
    const mean = (sum: number) => (images > 0 ? sum / images : Number.NaN);
    return {
      loss: mean(loss),
      accuracy: mean(correct),
      images,
      ...(own.length > 0 && {
        metrics: Object.fromEntries(this.#metrics.map(([name], i) => [name, mean(own[i]!)])),
      }),
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

/** How many, standing for all `images`; undefined where there are no classes. */
function rightAnswers(outputs: unknown, targets: Tensor, images: number): Tensor | undefined {
  const areClasses = outputs instanceof Tensor && outputs.ndim === 2 && targets.ndim === 1 && targets.dtype === 'int64';
  if (!areClasses || outputs.shape[0] !== targets.shape[0]) return undefined;
  const right = outputs.argmax(1).eq(targets).sum();
  return outputs.shape[0] === images ? right : right.mul(images / outputs.shape[0]!);
}

function scalar(value: unknown, name: string): Tensor {
  if (!(value instanceof Tensor)) throw expected('a scalar Tensor', `the result of metrics.${name}`, value);
  if (value.numel() !== 1)
    throw new IsotorchError('ERR_SHAPE', `metrics.${name}: expected a scalar, received [${value.shape.join(', ')}]`);
  return value.ndim === 0 ? value : value.reshape([]);
}
