// How long the jobs of this run took, and how much memory was used at most: beside the results and not in them, since it is
// never the same twice.

import type { Job } from '../plan.js';

export interface DetectorTime {
  readonly detector: string;
  /** Seconds of all fits, scores and rows of this detector. */
  readonly fit: number;
  readonly score: number;
  readonly measure: number;
}

/** timing.json. Of one run: what an earlier one had done already isn't in it. */
export interface Timing {
  /** From start to end. */
  readonly seconds: number;
  /** Resident bytes of the process at the most. */
  readonly peakMemory: number;
  /** Jobs that were done, and those whose product was there. */
  readonly done: number;
  readonly found: number;
  /** Seconds of all trainings, and of all passes of networks over images. */
  readonly train: number;
  readonly extract: number;
  readonly detectors: readonly DetectorTime[];
}

type Parts = { fit: number; score: number; measure: number };

export class Clock {
  readonly #start = performance.now();
  readonly #detectors = new Map<string, Parts>();
  readonly #networks = { train: 0, extract: 0 };
  #done = 0;

  /** Notes how long a job took. */
  async time<T>(job: Job, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    this.#done++;
    if (job.kind === 'train' || job.kind === 'extract') this.#networks[job.kind] += seconds;
    else {
      const parts = this.#detectors.get(job.detector.label) ?? { fit: 0, score: 0, measure: 0 };
      parts[job.kind] += seconds;
      this.#detectors.set(job.detector.label, parts);
    }
    return result;
  }

  /**
   * @param found jobs whose product was there
   * @param order of the detectors, by their labels
   */
  stop(found: number, order: readonly string[]): Timing {
    return {
      seconds: (performance.now() - this.#start) / 1000,
      peakMemory: process.resourceUsage().maxRSS * 1024,
      done: this.#done,
      found,
      ...this.#networks,
      detectors: order.flatMap((detector) => {
        const parts = this.#detectors.get(detector);
        return parts ? [{ detector, ...parts }] : [];
      }),
    };
  }
}

/** For a terminal; plain text without a newline at the end. */
export function renderTiming({ seconds, peakMemory, done, found, train, extract, detectors }: Timing): string {
  const lines = detectors.map(({ detector, fit, score, measure }) => [
    detector,
    ...[fit, score, measure, fit + score + measure].map(inSeconds),
  ]);
  const table = [['seconds of', 'fit', 'score', 'measure', 'all'], ...lines];
  const widths = table[0]!.map((_, i) => Math.max(...table.map((texts) => texts[i]!.length)));
  const rows = table.map((texts) =>
    texts.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join('  '),
  );
  const networks = [
    ...(train > 0 ? [`training ${inSeconds(train)} s`] : []),
    ...(extract > 0 ? [`passes over images ${inSeconds(extract)} s`] : []),
  ];
  const total = `${done} jobs in ${inSeconds(seconds)} s${found > 0 ? `, ${found} were done before` : ''}; peak memory ${(peakMemory / 2 ** 20).toFixed(0)} MiB`;
  return [...(lines.length > 0 ? [...rows, ''] : []), [total, ...networks].join('; ')].join('\n');
}

const inSeconds = (seconds: number): string => seconds.toFixed(seconds < 10 ? 2 : 1);
