// How a manifest names networks that exist: weights with all that has to be said about them, or a run directory of
// `isotorch train`, which knows it. One entry can stand for several seeds: `weights: net-s{seed}.pt`, `seeds: [0, 1, 2]`.

import { lossNames } from '../../known/losses.js';
import { modelNames } from '../../known/models.js';
import { nameFromPath } from './dataShape.js';
import {
  byKind,
  choice,
  list,
  nameShape,
  number,
  type Origin,
  optional,
  pathShape,
  type Report,
  record,
  refine,
  required,
  type Shape,
  text,
  within,
} from './shapes.js';
import type { Checkpoint, Normalization } from './types.js';

export const seedShape = number({ integer: true, min: 0 });
export const seedsShape = list(seedShape, { most: 10_000, unique: (seed) => `seed ${seed}` });

const channelMeans = list(number(), {});
const channelStds = list(number({ above: 0 }), {});

const normalizeShape = refine(
  record('{ mean: […], std: […] }, a number for each channel', {
    mean: required(channelMeans),
    std: required(channelStds),
  }),
  (given: Normalization, origin, report) => {
    const [means, stds] = ['mean', 'std'].map((key) => countAt(within(origin, key)));
    if (means !== stds) {
      const received = `${means} in mean and ${stds} in std`;
      report.wrong(origin, 'as many numbers in mean as in std, one for each channel', received);
    }
    const bytes = [...given.mean, ...given.std].find((value) => Math.abs(value) > 4);
    if (bytes !== undefined)
      report.wrong(
        origin,
        'mean and std of values from 0 to 1',
        `the number ${bytes}`,
        'Divide by 255 what is in levels from 0 to 255.',
      );
    return given;
  },
);

/** Items of a list as it is written. */
const countAt = ({ node }: Origin): number => (node.kind === 'list' ? node.items.length : 0);

const fields = record('a checkpoint: a map with weights (or run), model, loss …', {
  name: optional(nameShape, null),
  weights: optional(pathShape('file'), null),
  run: optional(pathShape('folder'), null),
  checkpoint: optional(choice(['last', 'best']), null),
  prefix: optional(text(), null),
  model: optional(choice(modelNames, 'a network'), null),
  loss: optional(choice(lossNames, 'a loss'), null),
  numClasses: optional(number({ integer: true, min: 2 }), null),
  normalize: optional(normalizeShape, null),
  seed: optional(seedShape, null),
  seeds: optional(seedsShape, null),
  id: optional(
    byKind('a known set’s name, or a list of them', {
      scalar: refine(nameShape, (name) => [name] as readonly string[]),
      list: list(nameShape, { unique: (name) => name }),
    }),
    null,
  ),
});

const ofWeights = ['prefix', 'model', 'loss', 'numClasses', 'normalize'] as const;

export const checkpointShape: Shape<Checkpoint> = refine(fields, (raw, origin, report) => {
  const { weights, run, seed, seeds, id } = raw;
  const at = (key: string): Origin => within(origin, key);
  const path = weights ?? run;
  if (path === null || (weights !== null && run !== null)) {
    const received = path === null ? 'neither' : 'both';
    report.wrong(origin, 'either `weights`, a file, or `run`, a folder of isotorch train', received);
    return undefined;
  }
  if (seed !== null && seeds !== null)
    report.wrong(at('seeds'), 'either `seed` or `seeds`', 'both', 'One network has one seed.');
  if (seeds !== null && !path.includes('{seed}'))
    report.wrong(
      at('seeds'),
      `{seed} in the path, where the seed stands`,
      'a path without it',
      'Write it as net-s{seed}.pt.',
    );
  const all: readonly (number | null)[] = seeds ?? [seed];
  if (all[0] === null && path.includes('{seed}'))
    report.wrong(
      at(weights === null ? 'run' : 'weights'),
      '`seed` or `seeds` for {seed} in the path',
      'neither',
      'Add `seeds: [0, 1, 2]`.',
    );
  for (const each of all)
    report.files.push({
      file: withSeed(path, each),
      kind: weights === null ? 'folder' : 'file',
      origin: at(weights === null ? 'run' : 'weights'),
    });
  const name =
    raw.name ??
    nameFromPath(path.replace(/[-_.]?(?:s|seed)?\{seed\}/, ''), at(weights === null ? 'run' : 'weights'), report);
  if (name === undefined) return undefined;
  const source = weights === null ? fromRun(raw, path, at, report) : fromWeights(raw, path, origin, report);
  return source && report.keep({ name, seeds: all, id, source }, origin);
});

type Raw = typeof fields extends Shape<infer T> ? T : never;

function fromRun(raw: Raw, path: string, at: (key: string) => Origin, report: Report): Checkpoint['source'] {
  for (const key of ofWeights)
    if (raw[key] !== null)
      report.wrong(at(key), `no \`${key}\` with \`run\``, `\`${key}\``, 'The run directory says what the network is.');
  return { kind: 'run', path, checkpoint: raw.checkpoint ?? 'last' };
}

function fromWeights(raw: Raw, path: string, origin: Origin, report: Report): Checkpoint['source'] | undefined {
  const { model, loss, prefix, numClasses, normalize } = raw;
  if (raw.checkpoint !== null)
    report.wrong(
      within(origin, 'checkpoint'),
      '`checkpoint` with `run` only',
      '`checkpoint`',
      'The file of weights is the checkpoint.',
    );
  for (const [key, value, words] of [
    ['model', model, modelNames],
    ['loss', loss, lossNames],
  ] as const)
    if (value === null) report.wrong(origin, `\`${key}\`: one of ${words.join(', ')}`, 'nothing', `Add \`${key}:\`.`);
  if (model === null || loss === null) return undefined;
  return { kind: 'weights', path, prefix: prefix ?? '', model, loss, numClasses, normalize };
}

/** A path with the seed in its place. */
export function withSeed(path: string, seed: number | null): string {
  return seed === null ? path : path.replaceAll('{seed}', String(seed));
}
