// Batches gathered ahead of their use by a thread of their own: see native/feed.h. What `data` builds its streams on.

import { native } from '../native.js';
import type { Device } from './dtype.js';
import { Tensor } from './tensor.js';

export interface FeedOptions {
  /** Rows a batch. */
  batch: number;
  /** The first batch, and one past the last. */
  from: number;
  count: number;
  /** Batches that wait for their user. */
  ahead: number;
  device: Device;
}

const finalizers = new FinalizationRegistry<number>((number) => native.endFeed(number));

/** Rows of `sources` (contiguous, on the CPU) as `plan` orders them: int64 [1 + parameters, N], the first row being indices. */
export class Feed {
  readonly #number: number;

  constructor(sources: readonly Tensor[], plan: Tensor, { batch, from, count, ahead, device }: FeedOptions) {
    const handles = Float64Array.from(sources, ({ handle }) => handle);
    this.#number = native.beginFeed(handles, plan.handle, batch, from, count, ahead, device);
    finalizers.register(this, this.#number, this);
  }

  /** The next batch's rows of each source, then the plan's columns; undefined after the last. The caller's to dispose of. */
  async next(): Promise<Tensor[] | undefined> {
    const handles = await native.nextOfFeed(this.#number);
    return handles.length === 0 ? undefined : Array.from(handles, (handle) => new Tensor(handle));
  }

  end(): void {
    finalizers.unregister(this);
    native.endFeed(this.#number);
  }
}
