// The figures of every report, and the peers whose definitions of them can be asked for by name. Each figure's formula is in
// lib/ood/metrics, each peer's in lib/ood/metrics/profiles.

import { namesOf } from './table.js';

export interface MetricEntry {
  /** For the head of a column. */
  readonly short: string;
  readonly long: string;
}

/** The columns of every table, in order. Of all of them more is better. */
export const metricTable = {
  accuracy: { short: 'accuracy', long: 'Share of the known images that are classified correctly.' },
  auroc: {
    short: 'AUROC',
    long: 'How often a known image scores above an unknown one, of all pairs. 50 % is guessing.',
  },
  tnrAtTpr95: {
    short: 'TNR@TPR95',
    long: 'Share of the unknown images that are rejected when 95 % of the known ones are accepted.',
  },
  dtacc: {
    short: 'DTACC',
    long: 'Detection accuracy: correctly accepted and correctly rejected, averaged, at the best threshold. 50 % is guessing.',
  },
  auprIn: {
    short: 'AUPR-in',
    long: 'Area under precision and recall of finding known images. Depends on how many there are of either kind.',
  },
  auprOut: {
    short: 'AUPR-out',
    long: 'Area under precision and recall of finding unknown images. Depends on how many there are of either kind.',
  },
} as const satisfies Record<string, MetricEntry>;

export type MetricName = keyof typeof metricTable;
export const metricNames = namesOf(metricTable);

/** Whose definition figures follow, to the last digit; without one they are exact, with ties. */
export const profileNames = [
  'isomax-paper',
  'openood-1.5',
  'openood-1.0',
  'pytorch-ood',
  'hendrycks',
  'odin-original',
] as const;
export type ProfileName = (typeof profileNames)[number];
