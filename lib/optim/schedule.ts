// The two schedules of most runs, said shortly.

import {
  CosineAnnealingLR,
  type LRScheduler,
  MultiStepLR,
  type Scheduled,
  type ScheduleOptions,
} from './lrScheduler/index.js';

/** Any schedule. */
export type Schedule = LRScheduler;

export interface CosineOptions {
  /** After how many epochs the rate is `minLr`. */
  epochs: number;
  /** @default 0 */
  minLr?: number;
}

/**
 * The learning rate down to `minLr` in `epochs` epochs along half a cosine (`CosineAnnealingLR`).
 * @throws ERR_ARGUMENT for epochs that are no positive whole number.
 * @example const schedule = optim.cosine(optimizer, { epochs: 10 }); // schedule.step() after each epoch
 */
export const cosine = (optimizer: Scheduled, { epochs, minLr = 0 }: CosineOptions): CosineAnnealingLR =>
  new CosineAnnealingLR(optimizer, { tMax: epochs, etaMin: minLr });

export type MultiStepOptions = ScheduleOptions<'MultiStepLR'>;

/**
 * The learning rate times `gamma` at each milestone (`MultiStepLR`).
 * @throws ERR_ARGUMENT for milestones that are no whole numbers.
 * @example optim.multiStep(optimizer, { milestones: [150, 200, 250] }); // the papers' 300 epochs
 */
export const multiStep = (optimizer: Scheduled, options: MultiStepOptions): MultiStepLR =>
  new MultiStepLR(optimizer, options);
