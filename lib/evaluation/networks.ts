// The networks that a manifest stands for, one by one: each loss and seed of its training, each seed of its checkpoints, each
// entry of its arrays; and which detectors a network rules out by what its last layer is.

import type { FitsOn } from '../known/detectors.js';
import { type LossEntry, type LossName, lossTable } from '../known/losses.js';
import { withSeed } from './manifest/checkpointShape.js';
import type { DetectorChoice } from './manifest/detectorSchemas.js';
import type { ArraySets, Checkpoint, Manifest, RunSource, Training, WeightsSource } from './manifest/types.js';

export interface NetworkEntry {
  /** Of its own: the name and, where there is one, the seed (`convnet-isomax-s0`). */
  readonly id: string;
  /** What networks that differ in their seeds alone share; tables average over these. */
  readonly name: string;
  /** Null where only the run directory knows. */
  readonly loss: string | null;
  readonly model: string | null;
  readonly seed: number | null;
  /** The last layer, as far as the loss tells. */
  readonly head: LossEntry['head'] | 'none' | 'unknown';
  /** The known sets it is measured on; null for all. */
  readonly known: readonly string[] | null;
  readonly source:
    | {
        readonly kind: 'trained';
        readonly training: Training;
        readonly loss: Training['losses'][number];
        readonly seed: number;
      }
    | WeightsSource
    | RunSource
    | { readonly kind: 'arrays'; readonly arrays: ArraySets };
}

/** Every network, in the order of the manifest. */
export function networksOf({
  train,
  checkpoints,
  arrays,
}: Pick<Manifest, 'train' | 'checkpoints' | 'arrays'>): NetworkEntry[] {
  return [...(train ? trained(train) : []), ...checkpoints.flatMap(ofCheckpoint), ...arrays.map(ofArrays)];
}

/** Networks that one entry of `checkpoints` stands for. */
export function ofCheckpoint({ name, seeds, id: known, source }: Checkpoint): NetworkEntry[] {
  const { loss = null, model = null } = source.kind === 'run' ? (source.says ?? {}) : source;
  return seeds.map((seed) => ({
    id: withSeedName(name, seed),
    ...{ name, loss, model, seed, known },
    head: headOf(loss),
    source: { ...source, path: withSeed(source.path, seed) },
  }));
}

function trained(training: Training): NetworkEntry[] {
  const { model, losses, seeds } = training;
  return losses.flatMap((loss) =>
    seeds.map((seed) => {
      const name = `${model}-${loss}`;
      const source = { kind: 'trained', training, loss, seed } as const;
      return { id: withSeedName(name, seed), name, loss, model, seed, head: headOf(loss), known: null, source };
    }),
  );
}

function ofArrays(arrays: ArraySets): NetworkEntry {
  const { name, loss, model, seed, head } = arrays;
  const source = { kind: 'arrays', arrays } as const;
  return {
    id: withSeedName(name, seed),
    name,
    loss,
    model,
    seed,
    head: head === null ? 'none' : 'affine',
    known: null,
    source,
  };
}

const withSeedName = (name: string, seed: number | null): string => (seed === null ? name : `${name}-s${seed}`);

const headOf = (loss: LossName | null): NetworkEntry['head'] => (loss === null ? 'unknown' : lossTable[loss].head);

/**
 * Why a detector can't work on a network, as far as one can tell before it is there; null where nothing speaks against it.
 * Reads after the detector's name: `needs the last layer; there is no head`.
 *
 * @param known the known set: what there is to be fitted on, else null
 */
export function obstacle(
  { head, source }: NetworkEntry,
  { needs, fitsOn }: DetectorChoice,
  known: Readonly<Record<FitsOn, unknown>>,
): string | null {
  if (source.kind === 'arrays' && needs.includes('network')) return 'runs the network; there are only arrays';
  if (fitsOn !== null && known[fitsOn] === null)
    return `learns from known ${fitsOn === 'train' ? 'training' : 'held-out'} images; there is no \`${fitsOn}\``;
  if (head === 'none' && (needs.includes('head') || needs.includes('affine head')))
    return 'needs the last layer; there is no `head`';
  if (head === 'other' && needs.includes('head'))
    return 'runs the last layer again, which is kept only where it is affine or one of distances';
  if ((head === 'distance' || head === 'other') && needs.includes('affine head'))
    return `needs a last layer w·f + b; the network has ${head === 'other' ? 'another' : 'a distance'} head`;
  return null;
}
