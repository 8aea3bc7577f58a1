// Progress on standard error, so that results on standard output can be piped. On a terminal one line is drawn over and
// over: bar, step, rate, loss, accuracy, time left. Elsewhere (a log file, CI) plain lines come at sensible intervals.

import type { ManifestProgress } from '../evaluation/execute/run.js';
import type { Progress } from '../training/pace.js';
import type { EpochRecord } from '../training/runDirectory.js';

export interface ProgressOptions {
  /** Where to draw; standard error by default. */
  readonly stream?: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  /** Milliseconds between plain lines; 10 s by default. */
  readonly plainInterval?: number;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

export class ProgressPrinter {
  readonly #stream: NonNullable<ProgressOptions['stream']>;
  readonly #plainInterval: number;
  readonly #now: () => number;
  #lastPlain: number;
  #drawn = false;

  constructor({ stream = process.stderr, plainInterval = 10_000, now = Date.now }: ProgressOptions = {}) {
    this.#stream = stream;
    this.#plainInterval = plainInterval;
    this.#now = now;
    this.#lastPlain = now();
  }

  /** Shows where training stands. `label` names the run where several follow each other. */
  step(progress: Progress, label = ''): void {
    const head = label ? `${label}  ` : '';
    if (this.#stream.isTTY) {
      this.#draw(`${head}${progressLine(progress, this.#stream.columns ?? 80, head.length)}`);
      return;
    }
    if (this.#isDue()) this.#stream.write(`${head}${progressLine(progress, Number.POSITIVE_INFINITY, 0, false)}\n`);
  }

  /** Leaves a line for a finished epoch. */
  epoch(record: EpochRecord, epochs: number, label = ''): void {
    this.line(`${label ? `${label}  ` : ''}${epochLine(record, epochs)}`);
    this.#lastPlain = this.#now();
  }

  /** Shows where an evaluation stands. */
  manifest({ job, done, total, images, training }: ManifestProgress, label = ''): void {
    const head = `${label ? `${label}  ` : ''}${done + 1}/${total}  ${job.id}`;
    const text = images ? `${head}  ${percent(images.done / images.total)}` : head;
    if (training) this.step(training, head);
    else if (this.#stream.isTTY) this.#draw(text);
    else if (this.#isDue()) this.#stream.write(`${text}\n`);
  }

  /** Leaves a line above the one that is being redrawn. */
  line(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Wipes the redrawn line; call it before anything else prints. */
  clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[2K');
    this.#drawn = false;
  }

  #isDue(): boolean {
    if (this.#now() - this.#lastPlain < this.#plainInterval) return false;
    this.#lastPlain = this.#now();
    return true;
  }

  #draw(text: string): void {
    const width = (this.#stream.columns ?? 80) - 1; // a full line would wrap
    this.#stream.write(`\r\x1b[2K${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
    this.#drawn = true;
  }
}

/** `epoch 1/4 ━━━━━━──── 210/430  2,512 images/s  loss 0.4312  accuracy 84.9 %  left 1:05` */
export function progressLine(progress: Progress, columns: number, used = 0, bar = true): string {
  const { epoch, epochs, step, steps, loss, accuracy, imagesPerSecond, secondsLeft, phase } = progress;
  const numbers = [
    `${thousands(step)}/${thousands(steps)}`,
    phase === 'validate' ? 'validating' : `${thousands(imagesPerSecond)} images/s`,
    `loss ${loss.toFixed(4)}`,
    `accuracy ${percent(accuracy)}`,
    `left ${duration(secondsLeft)}`,
  ].join('  ');
  const head = `epoch ${epoch}/${epochs} `;
  if (!bar) return `${head} ${numbers}`;
  const cells = Math.min(24, columns - 1 - used - head.length - numbers.length - 1);
  if (cells < 4) return `${head} ${numbers}`;
  const full = steps > 0 ? Math.min(cells, Math.round((step / steps) * cells)) : 0;
  return `${head}${'━'.repeat(full)}${'─'.repeat(cells - full)} ${numbers}`;
}

function epochLine(record: EpochRecord, epochs: number): string {
  const { epoch, loss, accuracy, validation, learningRate, seconds, imagesPerSecond } = record;
  return [
    `epoch ${epoch}/${epochs}`,
    `loss ${loss.toFixed(4)}`,
    `accuracy ${percent(accuracy)}`,
    ...(validation ? [`validation ${percent(validation.accuracy)}`] : []),
    `lr ${Number(learningRate.toPrecision(3))}`,
    `${seconds.toFixed(1)} s`,
    `${thousands(imagesPerSecond)} images/s`,
  ].join('  ');
}

/** 0.923 → `92.3 %` */
export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

/** 75.4 → `1:15`, 3725 → `1:02:05` */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-:--';
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
