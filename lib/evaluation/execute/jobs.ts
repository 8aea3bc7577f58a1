// The jobs of one network: whether a job's product is there already, and making it. Products are read back from where they are
// kept, also those that were made a moment ago, so that a run that goes on works with the same bits as one that was left alone.

import { itemSize, type SavedDType } from '../../checkpoint/dtypes.js';
import { IsotorchError } from '../../errors.js';
import { accuracyOf, scoreAll } from '../../ood/evaluate.js';
import { looksAtNetwork } from '../../ood/images/imageDetector.js';
import {
  type AnyDetector,
  type Arrays,
  byName,
  type FittedDetector,
  type FittedImageDetector,
  type ReadArrays,
  scoreImages,
} from '../../ood/index.js';
import { checkedScores } from '../../ood/metrics/roc.js';
import type { BatchOptions } from '../../ood/network/batches.js';
import type { Tensor } from '../../tensor/index.js';
import type { DetectorChoice } from '../manifest/detectorSchemas.js';
import type { FitJob, Job, MeasureJob, Plan, PlannedSet, ScoreJob } from '../plan.js';
import type { Extraction, NetworkArrays } from './extraction.js';
import { keyOfJob } from './keys.js';
import { measure } from './measure.js';
import type { Products } from './products.js';
import { Shelf } from './shelf.js';

/** A job with a product that is kept under a key. */
export type KeyedJob = Exclude<Job, { kind: 'train' }>;

/** A detector that has learnt. */
interface Fitted extends Disposable {
  readonly detector: FittedDetector | FittedImageDetector;
}

/** Bytes that may stay in memory between two jobs. */
const ARRAYS_BUDGET = 2 ** 30;
const DETECTORS_BUDGET = 2 ** 28;

export interface NetworkJobsOptions {
  readonly plan: Plan;
  readonly products: Products;
  readonly arrays: NetworkArrays;
  /** The same, where there is a network and not just its arrays. */
  readonly extraction: Extraction | null;
}

export class NetworkJobs implements Disposable {
  readonly #options: NetworkJobsOptions;
  readonly #arrays = new Shelf<ReadArrays>(ARRAYS_BUDGET, ({ logits, features, labels }) =>
    bytesOf([logits, features, labels]),
  );
  readonly #fitted = new Shelf<Fitted>(DETECTORS_BUDGET, ({ detector }) => bytesOf(Object.values(detector.state())));
  /** By the key of the known images' arrays. */
  readonly #accuracies = new Map<string, number | null>();

  constructor(options: NetworkJobsOptions) {
    this.#options = options;
  }

  /** @param needs the keys of what it needs, in the order of `job.needs` (without that of the training) */
  async keyOf(job: KeyedJob, needs: readonly string[]): Promise<string> {
    return job.kind === 'extract' ? await this.#options.arrays.key(job.set) : keyOfJob(job, needs, this.#options.plan);
  }

  /** Whether the product is there, whole. */
  async has(job: KeyedJob, key: string): Promise<boolean> {
    const { products } = this.#options;
    switch (job.kind) {
      case 'extract':
        return (await this.#findArrays(key, job.set)) !== null;
      case 'fit':
        return (await this.#findFitted(key, job.detector)) !== null;
      case 'score':
        return (await products.scores(key)) !== null;
      case 'measure':
        return (await products.row(key)) !== null;
    }
  }

  /** Makes the product. @param needs as for `keyOf` */
  async make(job: KeyedJob, key: string, needs: readonly string[], options: BatchOptions): Promise<void> {
    switch (job.kind) {
      case 'extract':
        return await this.#options.arrays.make(key, job.set, options);
      case 'fit':
        return await this.#fit(job, key, needs, options);
      case 'score':
        return await this.#score(job, key, needs, options);
      case 'measure':
        return await this.#measure(job, key, needs, options);
    }
  }

  /** Frees what there is no room for. Between two jobs. */
  trim(): void {
    this.#arrays.trim();
    this.#fitted.trim();
  }

  [Symbol.dispose](): void {
    this.#arrays[Symbol.dispose]();
    this.#fitted[Symbol.dispose]();
  }

  async #fit({ detector: choice, set }: FitJob, key: string, [of]: readonly string[], options: BatchOptions) {
    const detector = learning(byName(choice.name, choice.settings), choice);
    try {
      if (looksAtNetwork(detector)) {
        const extraction = this.#options.extraction!;
        await detector.fit(await extraction.network(), await extraction.images(set), options);
      } else await detector.fit(await this.#arraysOf(of!, set));
      await this.#options.products.putFit(key, detector.state());
    } finally {
      detector.dispose();
    }
  }

  async #score({ detector: choice, set }: ScoreJob, key: string, needs: readonly string[], options: BatchOptions) {
    const [of, fit] = needs as [string, string | undefined];
    const detector = fit === undefined ? byName(choice.name, choice.settings) : await this.#fittedOf(fit, choice);
    const scores = await this.#scoresOf(detector, of, set, options);
    await this.#options.products.putScores(key, checkedScores(scores, `the ${choice.label} scores of ${set.name}`));
  }

  async #scoresOf(detector: AnyDetector, of: string, set: PlannedSet, options: BatchOptions): Promise<Float64Array> {
    if (looksAtNetwork(detector)) {
      const extraction = this.#options.extraction!;
      return await scoreImages(detector, await extraction.network(), await extraction.images(set), options);
    }
    return (await scoreAll([detector], await this.#arraysOf(of, set)))[detector.name]!;
  }

  async #measure(job: MeasureJob, key: string, needs: readonly string[], { signal }: BatchOptions): Promise<void> {
    const { products, plan } = this.#options;
    const [of, ofKnown, ofUnknown] = needs as [string, string, string];
    const [known, unknown] = [await products.scores(ofKnown), await products.scores(ofUnknown)];
    if (known === null || unknown === null) throw lost(`scores of ${job.detector.label}`);
    if (!this.#accuracies.has(of)) this.#accuracies.set(of, accuracyOf(await this.#arraysOf(of, testOf(job, plan))));
    await products.putRow(key, await measure(known, unknown, this.#accuracies.get(of)!, { ...plan, signal }));
  }

  #findArrays(key: string, set: PlannedSet): Promise<ReadArrays | null> {
    return this.#arrays.get(key, () => this.#options.arrays.find(key, set));
  }

  async #arraysOf(key: string, set: PlannedSet): Promise<Arrays> {
    const arrays = await this.#findArrays(key, set);
    if (arrays === null) throw lost(`arrays of ${set.name}`);
    // Sets with the same images share arrays.
    return { ...arrays, name: set.name };
  }

  #findFitted(key: string, choice: DetectorChoice): Promise<Fitted | null> {
    return this.#fitted.get(key, async () => {
      const state = await this.#options.products.fit(key);
      if (state === null) return null;
      const detector = learning(byName(choice.name, choice.settings), choice);
      try {
        detector.load(Object.fromEntries(state));
        return { detector, [Symbol.dispose]: () => detector.dispose() };
      } finally {
        for (const tensor of state.values()) tensor.dispose();
      }
    });
  }

  async #fittedOf(key: string, choice: DetectorChoice): Promise<AnyDetector> {
    const fitted = await this.#findFitted(key, choice);
    if (fitted === null) throw lost(`fit of ${choice.label}`);
    return fitted.detector;
  }
}

function learning(detector: AnyDetector, { label }: DetectorChoice): FittedDetector | FittedImageDetector {
  if ('fit' in detector) return detector as FittedDetector | FittedImageDetector;
  throw new IsotorchError('ERR_ARGUMENT', `Expected ${label} to be a detector that learns but it isn't`);
}

/** The known images of a row. */
function testOf({ network, known }: MeasureJob, { networks }: Plan): PlannedSet {
  return networks.find((each) => each.network.id === network)!.known.find(({ name }) => name === known)!.test;
}

/** It was there a moment ago. */
const lost = (what: string): IsotorchError =>
  new IsotorchError('ERR_FILE', `The ${what} are gone from the folder work: does another program write there?`);

function bytesOf(tensors: readonly (Tensor | null)[]): number {
  return tensors.reduce(
    (sum, tensor) => sum + (tensor === null ? 0 : tensor.numel() * itemSize(tensor.dtype as SavedDType)),
    0,
  );
}
