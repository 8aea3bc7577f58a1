// What an evaluation hands to a report: plain data, nothing of tensors, models or files. One `ResultRow` says how well one
// network, with one score, told one known data set from one unknown one; a `Figure` holds what is drawn of the same
// comparison. One network or many, from a program, a run or a manifest: the same rows go into the same tables, files and page.

import type { MetricName } from '../known/metrics.js';

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Versions, device, threads, command, date: whatever tells where the numbers come from. Shown as it is, nested or flat. */
export type Environment = { readonly [key: string]: Json | undefined };

/** Which network was measured. */
export interface RunLabels {
  /** What networks that differ in their seeds alone share. Where it is left out, loss and model tell networks apart. */
  readonly network?: string | undefined;
  /** What it was trained with: `softmax`, `isomax`, `isomaxplus`, or any other name. */
  readonly loss: string;
  readonly model: string;
  /** Of its training; null where it is not known. */
  readonly seed: number | null;
}

/** How alike an unknown set is to the known one. */
export type Distance = 'near' | 'far';

export type Intervals = { readonly [name in MetricName]?: readonly [low: number, high: number] };

/** Figures are fractions from 0 to 1, larger is better; `lib/ood/metrics/metrics.ts` defines them. */
export interface ResultRow extends RunLabels {
  /** Name of the known data set. */
  readonly id: string;
  /** Name of the unknown data set. */
  readonly ood: string;
  /** `mps` (maximum probability), `es` (entropic), `mds` (minimum distance), or any other name. */
  readonly score: string;
  /** On the known data set; null where it has no labels. */
  readonly accuracy: number | null;
  readonly auroc: number;
  readonly tnrAtTpr95: number;
  readonly dtacc: number;
  readonly auprIn: number;
  readonly auprOut: number;
  readonly nId: number;
  readonly nOod: number;
  readonly distance?: Distance | undefined;
  /** Bootstrap intervals of some metrics; null without a bootstrap. */
  readonly intervals?: Intervals | null | undefined;
  /** The figures of a peer by its own names, null where it has none for these scores; null without a profile. */
  readonly profile?: Readonly<Record<string, number | null>> | null | undefined;
}

/** A row of a manifest, which has all of them. */
export type EvaluationRow = ResultRow & {
  readonly [K in 'network' | 'distance' | 'intervals' | 'profile']: Exclude<ResultRow[K], undefined>;
};

/** The curves of one row. */
export interface Figure extends RunLabels {
  readonly id: string;
  readonly ood: string;
  readonly score: string;
  /** As fractions, from (0, 0) to (1, 1). */
  readonly roc: { readonly fpr: readonly number[]; readonly tpr: readonly number[] };
  /** `edges` has one number more than the counts. The end bins also hold what lies beyond them. */
  readonly histogram: {
    readonly edges: readonly number[];
    readonly id: readonly number[];
    readonly ood: readonly number[];
  };
  /** The score that keeps 95 % of the known images. */
  readonly threshold: number;
}

/** Resamples of the intervals. */
export interface Bootstrap {
  readonly resamples: number;
  readonly seed: number;
  /** Of the intervals. */
  readonly confidence: number;
}

/** A detector that a network or its known set rules out. */
export interface Skipped {
  readonly network: string;
  readonly known: string;
  readonly detector: string;
  readonly reason: string;
}

/** A job that ended in an error, and with it everything that needed it. */
export interface Failure {
  /** Id of the job. */
  readonly job: string;
  readonly code: string;
  readonly message: string;
  /** How many rows of the results are missing for that; a row that needed several such jobs counts for one of them. */
  readonly rows: number;
}

/** What `results.json` holds: what was measured, left out, and what failed. */
export interface Results {
  readonly name?: string;
  readonly environment?: Environment;
  readonly profile?: string | null;
  readonly bootstrap?: Bootstrap | null;
  readonly results: readonly ResultRow[];
  readonly skipped?: readonly Skipped[];
  readonly failures?: readonly Failure[];
}

/** What `report.html` is made of. */
export interface Report extends Results {
  readonly environment: Environment;
  readonly figures: readonly Figure[];
  /** @default 'Does the network know what it doesn’t know?' */
  readonly title?: string;
}
