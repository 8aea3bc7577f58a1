// What an evaluation hands to a report: plain data, nothing of tensors, models or files. One `ResultRow` says how well one
// network, with one score, told one known data set from one unknown one; a `Figure` holds what is drawn of the same
// comparison. `results.json` is `{ environment, results }`.

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Versions, device, threads, command, date: whatever tells where the numbers come from. Shown as it is, nested or flat. */
export type Environment = { readonly [key: string]: Json | undefined };

/** Which network was measured. */
export interface RunLabels {
  /** What it was trained with: `softmax`, `isomax`, `isomaxplus`, or any other name. */
  readonly loss: string;
  readonly model: string;
  /** Of its training; null where it is not known. */
  readonly seed: number | null;
}

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
}

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

/** What `results.json` holds. */
export interface Results {
  readonly environment: Environment;
  readonly results: readonly ResultRow[];
}

/** What `report.html` is made of. */
export interface Report extends Results {
  readonly figures: readonly Figure[];
  /** @default 'Does the network know what it doesn’t know?' */
  readonly title?: string;
}
