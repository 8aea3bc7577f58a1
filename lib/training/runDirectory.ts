// One directory a run, enough to rerun it and to compare runs without us:
//   config.json        every setting, after defaults        environment.json  versions, device, threads, commit
//   metrics.jsonl      one line an epoch                    checkpoints/      last.pt and best.pt: weights; state.pt: to go on
//   results.json, .csv, .md, report.html, work/             written by an evaluation
//   guard.safetensors                                       written by `isotorch score`: the threshold
// Small files are replaced atomically, so a reader or a power cut never meets half a file. While a process trains, a lock
// file keeps others out; reading needs none.

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { expected, IsotorchError } from '../errors.js';
import { Lock } from './lock.js';

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

/** What an epoch came to; a line of `metrics.jsonl`. Rates are fractions, times are seconds. */
export interface EpochRecord {
  /** Counted from 1. */
  readonly epoch: number;
  /** Mean training loss over the epoch's images, each taken when its step came. */
  readonly loss: number;
  /** NaN (null in the file) where the targets are no classes. */
  readonly accuracy: number;
  /** Means of the run's own metrics. */
  readonly metrics?: Readonly<Record<string, number>>;
  readonly validation?: Pick<EpochRecord, 'loss' | 'accuracy' | 'metrics'>;
  readonly learningRate: number;
  /** Of training alone, without validation and saving. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
}

export type CheckpointName = 'last' | 'best' | 'state';

/** What a run writes. Starting afresh deletes these and nothing else: a directory may hold its owner's notes. */
const FILES = [
  'config.json',
  'environment.json',
  'metrics.jsonl',
  'checkpoints',
  'results.json',
  'results.csv',
  'results.md',
  'report.html',
  'guard.safetensors',
  'work',
];

export class RunDirectory {
  /** Absolute. */
  readonly path: string;
  readonly #lock: Lock | undefined;

  private constructor(path: string, lock: Lock | undefined) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * An empty run in a new or existing directory, locked for this process until `close()`.
   * @throws ERR_FILE when a run is there already and `overwrite` is not set, when another process uses the directory, or
   * when it cannot be written.
   */
  static create(path: string, { overwrite = false }: { overwrite?: boolean } = {}): RunDirectory {
    const run = RunDirectory.#locked(path);
    try {
      if (!overwrite && RunDirectory.exists(path))
        throw new IsotorchError(
          'ERR_FILE',
          `${path} holds a run already. Go on with it (resume), choose another directory, or overwrite it explicitly`,
        );
      for (const name of FILES) rmSync(join(run.path, name), { recursive: true, force: true });
      return run;
    } catch (error) {
      run.close();
      throw error;
    }
  }

  /**
   * A run that was begun, locked for this process so that it can go on.
   * @throws ERR_FILE when there is none or another process uses it.
   */
  static resume(path: string): RunDirectory {
    requireRun(path);
    return RunDirectory.#locked(path);
  }

  /**
   * A run to read; nothing is locked.
   * @throws ERR_FILE when there is none.
   */
  static open(path: string): RunDirectory {
    requireRun(path);
    return new RunDirectory(resolve(path), undefined);
  }

  static exists(path: string): boolean {
    return existsSync(join(path, 'config.json'));
  }

  static #locked(path: string): RunDirectory {
    if (typeof path !== 'string' || path === '') throw expected('the path of a directory', 'run directory', path);
    const absolute = resolve(path);
    try {
      mkdirSync(absolute, { recursive: true });
    } catch (error) {
      throw new IsotorchError('ERR_FILE', `Cannot make the run directory ${path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return new RunDirectory(absolute, Lock.acquire(join(absolute, 'run.lock')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  checkpoint(name: CheckpointName): string {
    return join(this.path, 'checkpoints', `${name}.pt`);
  }

  hasCheckpoint(name: CheckpointName): boolean {
    return existsSync(this.checkpoint(name));
  }

  /** @throws ERR_FORMAT when the file is not JSON. */
  config(): JsonObject {
    return readJson(this.file('config.json'));
  }

  writeConfig(config: JsonObject): void {
    writeJson(this.file('config.json'), config);
  }

  writeEnvironment(environment: JsonObject): void {
    writeJson(this.file('environment.json'), environment);
  }

  /** The epochs done so far, oldest first. A last line that was cut off by a crash is left out. */
  epochs(): EpochRecord[] {
    const path = this.file('metrics.jsonl');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').split('\n');
    lines.pop(); // what follows the last newline: nothing, or half a line
    const revive = (_: string, value: unknown) => value ?? Number.NaN; // JSON writes NaN as null
    return lines.map((line, index) => parseJson(line, `${path}, line ${index + 1}`, revive) as unknown as EpochRecord);
  }

  appendEpoch(record: EpochRecord): void {
    appendFileSync(this.file('metrics.jsonl'), `${JSON.stringify(record)}\n`);
  }

  /** Drops the lines of epochs after `count`: those that were reported but whose checkpoint was never written. */
  keepEpochs(count: number): EpochRecord[] {
    const kept = this.epochs().slice(0, count);
    writeFileAtomic.sync(this.file('metrics.jsonl'), kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return kept;
  }

  makeCheckpointFolder(): void {
    mkdirSync(this.file('checkpoints'), { recursive: true });
  }

  /** Lets the next process in. */
  close(): void {
    this.#lock?.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function requireRun(path: string): void {
  if (!RunDirectory.exists(path))
    throw new IsotorchError('ERR_FILE', `Expected a run directory (one with a config.json) at ${path}; found none`);
}

/** Replaces `path` at once by `value` as readable JSON. */
export function writeJson(path: string, value: Json): void {
  writeFileAtomic.sync(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * The JSON object in a file.
 * @throws ERR_FILE when it cannot be read, ERR_FORMAT when it is no JSON object.
 */
export function readJson(path: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new IsotorchError('ERR_FILE', `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  return parseJson(text, path);
}

function parseJson(text: string, where: string, revive?: (key: string, value: unknown) => unknown): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text, revive);
  } catch (error) {
    throw new IsotorchError('ERR_FORMAT', `${where} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new IsotorchError('ERR_FORMAT', `Expected a JSON object in ${where}`);
  return value as JsonObject;
}
