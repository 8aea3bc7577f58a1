// Where the work of a plan stands, and each network's part of it: what every product's key is, which of the products that the
// rows need are not there, and then those, in the order of the plan. What fails takes along what needs it, and the rest goes on.

import { IsotorchError } from '../../errors.js';
import type { EvaluationRow } from '../../report/index.js';
import type { Device } from '../../tensor/index.js';
import type { Progress } from '../../training/pace.js';
import { type Job, jobsOfPlan, type MeasureJob, type Plan, type PlannedNetwork } from '../plan.js';
import { ArrayFiles } from './arrayFiles.js';
import { Extraction } from './extraction.js';
import type { ImageSets } from './images.js';
import { type KeyedJob, NetworkJobs } from './jobs.js';
import { Ledger } from './ledger.js';
import { runFolder } from './loadNetwork.js';
import type { Products } from './products.js';
import { Clock } from './timing.js';
import { isTrained, trainNetwork } from './training.js';

export interface RunManifestOptions {
  /** Ends the work; what is done stays. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ManifestProgress) => void) | undefined;
  /** Is told what is fetched, what failed, and what else a person may want to know. */
  readonly log?: ((message: string) => void) | undefined;
  /** Fetch data sets that are not on this machine. @default true */
  readonly download?: boolean | undefined;
  /** @default the accelerator, where there is one, else the CPU */
  readonly device?: Device | undefined;
}

export interface ManifestProgress {
  /** The one in hand. */
  readonly job: Job;
  /** Jobs behind it, with those that were done before, and all of the plan. */
  readonly done: number;
  readonly total: number;
  /** Images of a set that is passing through the network; null for other jobs. */
  readonly images: { readonly done: number; readonly total: number } | null;
  /** Of a training; null for other jobs. */
  readonly training: Progress | null;
}

export interface Context extends RunManifestOptions {
  /** Is told of a failure when it happens. */
  readonly failed?: ((message: string) => void) | undefined;
  readonly device: Device;
  readonly products: Products;
  readonly images: ImageSets;
}

export class Run {
  readonly clock = new Clock();
  readonly ledger = new Ledger();
  /** Ids of the jobs that were done. */
  readonly made: string[] = [];
  /** For each row the keys of the scores of its known and its unknown images. */
  readonly scores = new Map<EvaluationRow, readonly [known: string, unknown: string]>();
  /** How many there was no need to do. */
  found = 0;
  #behind = 0;
  readonly #total: number;

  constructor(
    readonly plan: Plan,
    readonly context: Context,
  ) {
    this.#total = jobsOfPlan(plan).length;
  }

  /** The rows of a network. */
  async network(planned: PlannedNetwork): Promise<EvaluationRow[]> {
    const { plan, context } = this;
    const { products, images, device } = context;
    const { network, jobs } = planned;
    const extraction =
      network.source.kind === 'arrays'
        ? null
        : new Extraction(planned, { images, device, cache: products.arrays, out: plan.out });
    const arrays = network.source.kind === 'arrays' ? new ArrayFiles(network.source.arrays.head) : extraction!;
    using work = new NetworkJobs({ plan, products, arrays, extraction });
    try {
      for (const job of jobs.filter(({ kind }) => kind === 'train')) await this.#train(planned, job);
      const keyed = jobs.filter((job) => job.kind !== 'train');
      const keys = await this.#keys(keyed, work);
      const missing = await this.#missing(keyed, keys, work);
      const lastRun = keyed.findLastIndex(({ id, usesModel }) => usesModel && missing.has(id));
      for (const [i, job] of keyed.entries()) {
        await this.#make(job, keys, missing, work);
        if (i === lastRun) await extraction?.release();
      }
      return await this.#rows(planned, keyed, keys, extraction);
    } finally {
      await extraction?.release();
    }
  }

  async #train({ network }: PlannedNetwork, job: Job): Promise<void> {
    if (network.source.kind !== 'trained') return;
    const { source } = network;
    const { signal, log, device } = this.context;
    const folder = runFolder(this.plan.out, network.id);
    this.#report(job);
    await this.#attempt(job, async () => {
      if (await isTrained(source, folder)) this.found++;
      else {
        const onProgress = (training: Progress) => this.#report(job, { training });
        await this.clock.time(job, () => trainNetwork(source, folder, { device, signal, log, onProgress }));
        this.made.push(job.id);
      }
    });
    this.#behind++;
  }

  /** The key of every job that hasn't fallen. */
  async #keys(jobs: readonly KeyedJob[], work: NetworkJobs): Promise<ReadonlyMap<string, string>> {
    const keys = new Map<string, string>();
    for (const job of jobs) {
      if (this.ledger.falls(job)) continue;
      if (job.kind === 'extract') this.#report(job);
      await this.#attempt(job, async () => void keys.set(job.id, await work.keyOf(job, keysOf(job, keys))));
      this.context.images.trim();
    }
    return keys;
  }

  /** Ids of the jobs whose products are needed and not there. What nobody needs isn't looked at. */
  async #missing(
    jobs: readonly KeyedJob[],
    keys: ReadonlyMap<string, string>,
    work: NetworkJobs,
  ): Promise<ReadonlySet<string>> {
    const missing = new Set<string>();
    const needed = new Set(jobs.filter(({ kind }) => kind === 'measure').map(({ id }) => id));
    for (const job of jobs.toReversed()) {
      if (!needed.has(job.id) || this.ledger.falls(job)) continue;
      await this.#attempt(job, async () => {
        if (await work.has(job, keys.get(job.id)!)) return;
        missing.add(job.id);
        for (const need of job.needs) needed.add(need);
      });
      work.trim();
    }
    return missing;
  }

  async #make(
    job: KeyedJob,
    keys: ReadonlyMap<string, string>,
    missing: ReadonlySet<string>,
    work: NetworkJobs,
  ): Promise<void> {
    if (!this.ledger.falls(job)) {
      if (missing.has(job.id)) {
        const { signal } = this.context;
        this.#report(job);
        const options = {
          ...(signal && { signal }),
          onProgress: (images: { done: number; total: number }) => this.#report(job, { images }),
        };
        await this.#attempt(job, async () => {
          await this.clock.time(job, () => work.make(job, keys.get(job.id)!, keysOf(job, keys), options));
          this.made.push(job.id);
        });
        work.trim();
        this.context.images.trim();
      } else this.found++;
    }
    this.#behind++;
  }

  async #rows(
    { network }: PlannedNetwork,
    jobs: readonly KeyedJob[],
    keys: ReadonlyMap<string, string>,
    extraction: Extraction | null,
  ): Promise<EvaluationRow[]> {
    const rows: EvaluationRow[] = [];
    for (const job of jobs.filter((each): each is MeasureJob => each.kind === 'measure')) {
      if (this.ledger.falls(job)) continue;
      await this.#attempt(job, async () => {
        const { loss, model, seed } = (await extraction?.about()) ?? network;
        const figures = await this.context.products.row(keys.get(job.id)!);
        const { known: id, ood, detector, distance } = job;
        if (figures === null) throw new IsotorchError('ERR_FILE', 'The row is gone from the folder work');
        const names = { network: network.name, distance, loss: loss ?? 'unnamed', model: model ?? 'unnamed', seed };
        const row = { ...names, id, ood: ood.name, score: detector.label, ...figures };
        const [, ofKnown, ofUnknown] = keysOf(job, keys) as [string, string, string];
        this.scores.set(row, [ofKnown, ofUnknown]);
        rows.push(row);
      });
    }
    return rows;
  }

  /** Does it, or notes why it couldn't be done. @throws ERR_ABORTED */
  async #attempt(job: Job, work: () => Promise<void>): Promise<void> {
    const { signal, failed } = this.context;
    try {
      if (!signal?.aborted) await work();
    } catch (error) {
      if (!signal?.aborted) {
        this.ledger.fail(job, error);
        failed?.(`${job.id} failed: ${(error as Error).message}`);
      }
    }
    if (signal?.aborted)
      throw new IsotorchError('ERR_ABORTED', 'The evaluation was stopped before it was complete', {
        cause: signal.reason,
      });
  }

  #report(job: Job, part: Partial<Pick<ManifestProgress, 'images' | 'training'>> = {}): void {
    this.context.onProgress?.({ job, done: this.#behind, total: this.#total, images: null, training: null, ...part });
  }
}

const keysOf = ({ needs }: Job, keys: ReadonlyMap<string, string>): string[] =>
  needs.map((id) => keys.get(id)).filter((key) => key !== undefined);
