// The AUROC of many resamples at once, on LibTorch's threads: bootstrap intervals of AUROCs are what is asked for most, and a
// resample that TypeScript takes half a millisecond for is 30 µs of native work (native/isomax/bootstrap.cc). The resamples are
// the same ones, number for number, and so is the AUROC.

import { SeededRandom } from '../../data/index.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { Resampler } from './resample.js';
import type { SortedScores } from './sortedScores.js';

export class ResampledAuroc implements Disposable {
  readonly #operands: Record<'below' | 'upTo' | 'order' | 'id' | 'ood', Tensor>;

  constructor(scores: SortedScores, id: Resampler, ood: Resampler) {
    const { below, upTo, order } = scores.places();
    this.#operands = tidy(() => ({
      below: torch.tensor(below).keep(),
      upTo: torch.tensor(upTo).keep(),
      order: torch.tensor(order).keep(),
      id: torch.tensor(Float64Array.from(id.cumulative)).keep(),
      ood: torch.tensor(Float64Array.from(ood.cumulative)).keep(),
    }));
  }

  /** AUROCs of resamples `first` to `first + count` of this seed. */
  of(seed: number, first: number, count: number): Float64Array {
    const { below, upTo, order, id, ood } = this.#operands;
    const states = new Int32Array(4 * count);
    for (let r = 0; r < count; r++) states.set(randomOf(seed, first + r).state, 4 * r);
    return tidy(() => {
      const generators = torch.tensor(states).view([count, 4]);
      return torch.ops.isomax.bootstrapAuroc(below, upTo, order, id, ood, generators).toArraySync() as Float64Array;
    });
  }

  [Symbol.dispose](): void {
    for (const tensor of Object.values(this.#operands)) tensor.dispose();
  }
}

/** The random stream of a resample. */
export function randomOf(seed: number, resample: number): SeededRandom {
  return new SeededRandom('bootstrap', seed, resample);
}
