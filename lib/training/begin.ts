// How a training run begins on disk: which directory, whether it may, with which settings. A run that goes on must do so
// with the settings it was begun with; what differs is listed.

import { createHash } from 'node:crypto';
import type { Statistics } from '../data/index.js';
import { expected, IsotorchError } from '../errors.js';
import type { Device } from '../tensor/index.js';
import type { AveragedSettings } from './averaging.js';
import { describeEnvironment } from './environment.js';
import type { EarlyStopping, Goal } from './goal.js';
import type { Recipe } from './recipes.js';
import { type Json, type JsonObject, RunDirectory } from './runDirectory.js';

/** What of the trainer's options decides how a run begins. */
export interface RunOptions {
  readonly out?: string | undefined;
  readonly overwrite?: boolean;
  readonly resume?: boolean;
  readonly config?: JsonObject;
  readonly optimizer?: unknown;
  readonly seed?: number;
  readonly train: { readonly size: number; readonly device: Device };
  readonly validation?: { readonly size: number } | undefined;
  readonly augment?: readonly unknown[];
  readonly precision?: string | undefined;
  readonly collate?: unknown;
  readonly metrics?: object | undefined;
  readonly clipGradNorm?: number | undefined;
  readonly clipGradValue?: number | undefined;
  readonly accumulate?: number | undefined;
  readonly averaged?: AveragedSettings | undefined;
  readonly earlyStopping?: EarlyStopping | undefined;
  readonly keepBest?: Goal | undefined;
}

/** What is written only where it is set: runs of before have the settings they had. */
const further = ['clipGradNorm', 'clipGradValue', 'averaged', 'earlyStopping', 'keepBest'] as const;

/** config.json: all that decides a run, after defaults. */
export function settingsOf(options: RunOptions, recipe: Recipe, normalize: Statistics | undefined): JsonObject {
  const { config, optimizer, seed = 0, train, validation, augment = [], precision = 'float32' } = options;
  const { metrics, collate, accumulate = 1 } = options;
  const set = further.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name] as Json] as const]));
  const settings = optimizer
    ? { ...recipe, optimizer: 'given by the caller', schedule: 'given by the caller' }
    : recipe;
  return {
    ...config,
    training: {
      recipe: settings as unknown as JsonObject,
      seed,
      ...(precision !== 'float32' && { precision }),
      normalize: normalize ? { mean: normalize.mean, std: normalize.std } : null,
      augmentations: augment.length,
      trainImages: train.size,
      validationImages: validation?.size ?? 0,
      ...(accumulate !== 1 && { accumulate }),
      ...(metrics && { metrics: Object.keys(metrics) }),
      ...(collate !== undefined && { collate: 'given by the caller' }),
      ...Object.fromEntries(set),
    },
  };
}

/** The run directory of a training that begins or goes on, locked, with its settings and surroundings written down. */
export function openRun(options: RunOptions, config: JsonObject): RunDirectory | undefined {
  const { out, overwrite = false, resume = false, train } = options;
  if (out === undefined) {
    if (resume) throw expected('the run directory to go on with', 'out', out);
    return undefined;
  }
  const run = resume ? RunDirectory.resume(out) : RunDirectory.create(out, { overwrite });
  try {
    if (resume) requireSame(run.config(), config, out);
    run.makeCheckpointFolder();
    run.writeConfig(config);
    run.writeEnvironment(describeEnvironment(train.device));
    return run;
  } catch (error) {
    run.close();
    throw error;
  }
}

/** A run goes on with the settings it was begun with, or its result would be that of neither. */
function requireSame(before: JsonObject, now: JsonObject, out: string): void {
  const [old, present] = [flatten(before), flatten(now)];
  const differ = [...new Set([...old.keys(), ...present.keys()])].filter((key) => old.get(key) !== present.get(key));
  if (differ.length === 0) return;
  const list = differ.map((key) => `  ${key}: ${old.get(key) ?? 'not set'} then, ${present.get(key) ?? 'not set'} now`);
  throw new IsotorchError(
    'ERR_ARGUMENT',
    `The run in ${out} was begun with other settings, so it cannot go on with these. Use the same or another directory:\n${list.join('\n')}`,
  );
}

/** SHA-256 of the settings, whatever the order of their keys: a state says by it which run it belongs to. */
export function hashOf(config: JsonObject): string {
  const lines = [...flatten(config)].map(([key, value]) => `${key}: ${value}`).sort();
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/** `training.recipe.epochs` → `4` for every value that is no object. */
function flatten(value: unknown, path = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return new Map([[path, JSON.stringify(value)]]);
  const parts = Object.entries(value).filter(([, part]) => part !== undefined);
  return new Map(parts.flatMap(([key, part]) => [...flatten(part, path ? `${path}.${key}` : key)]));
}
