// The figures of one row: the metrics of known and unknown scores, with ties, and beside them, where they are asked for, what
// a peer would print for the same scores and how sure the AUROC is.

import { bootstrap as bootstrapOf, type Metrics, measure as metricsOf, profile } from '../../ood/index.js';
import type { Intervals } from '../../report/index.js';
import type { Plan } from '../plan.js';

/** A row but for the names. */
export interface Figures extends Metrics {
  readonly accuracy: number | null;
  readonly intervals: Intervals | null;
  /** By the peer's names; null where it has none, such as NaN. */
  readonly profile: Readonly<Record<string, number | null>> | null;
}

/** @throws ERR_DATA for scores that are not finite; ERR_ABORTED */
export async function measure(
  known: Float64Array,
  unknown: Float64Array,
  accuracy: number | null,
  { profile: name, bootstrap, signal }: Pick<Plan, 'profile' | 'bootstrap'> & { signal?: AbortSignal | undefined },
): Promise<Figures> {
  const figures = name === null ? null : Object.entries(profile(name).measure(known, unknown));
  const interval = bootstrap && (await bootstrapOf(known, unknown, { ...bootstrap, ...(signal && { signal }) })).auroc;
  return {
    accuracy,
    ...metricsOf(known, unknown),
    intervals: interval && { auroc: [interval.low, interval.high] },
    profile: figures && Object.fromEntries(figures.map(([key, value]) => [key, Number.isFinite(value) ? value : null])),
  };
}
