// What a manifest asks for, as a list of jobs in the order in which they are to be done. A pure function: nothing is looked
// at but the manifest. Jobs of one network stand together, those that run the network first, so that each is loaded once;
// each job names those whose results it reads, so that a failure takes along only what depends on it. Ids follow from the
// manifest's names alone: the same manifest, or one with entries added, gives the same ids, and a run that was killed finds
// what it has done.

import type { Bootstrap, Distance, Layout, Skipped } from '../report/index.js';
import type { DetectorChoice } from './manifest/detectorSchemas.js';
import type { ArrayFile, ArraySets, DataReference, KnownSet, Manifest, UnknownSets } from './manifest/types.js';
import { type NetworkEntry, networksOf, obstacle } from './networks.js';
import { knownSize } from './sizes.js';

interface JobBase {
  /** `score/resnet20-s0/cifar10/knn/svhn` */
  readonly id: string;
  readonly network: string;
  /** Ids of jobs whose results this one reads; they come earlier. */
  readonly needs: readonly string[];
  /** Whether the network has to be in memory. */
  readonly usesModel: boolean;
}

/** Trains the network and saves its weights. */
export interface TrainJob extends JobBase {
  readonly kind: 'train';
}
/** Brings features and logits of one set under the network: one pass over it, or reading a file of arrays. */
export interface ExtractJob extends JobBase {
  readonly kind: 'extract';
  readonly set: PlannedSet;
}
/** Fits a detector to the arrays of known images: those of training or, where it wants them, of validation. */
export interface FitJob extends JobBase {
  readonly kind: 'fit';
  readonly known: string;
  readonly detector: DetectorChoice;
  readonly set: PlannedSet;
}
/** One number for each image of a set. */
export interface ScoreJob extends JobBase {
  readonly kind: 'score';
  readonly known: string;
  readonly detector: DetectorChoice;
  readonly set: PlannedSet;
}
/** The metrics of one known and one unknown set under one detector: a row of the results. */
export interface MeasureJob extends JobBase {
  readonly kind: 'measure';
  readonly known: string;
  readonly detector: DetectorChoice;
  readonly ood: PlannedSet;
  readonly distance: Distance;
}
export type Job = TrainJob | ExtractJob | FitJob | ScoreJob | MeasureJob;

/** A set of images or arrays, as one network meets it. */
export interface PlannedSet {
  /** Of its own for each network: `cifar10:train`, `cifar10:test`, `uniform-noise@cifar10`, else the name. */
  readonly id: string;
  readonly name: string;
  readonly from: DataReference | ArrayFile;
  /** Null where that isn't known before the files are read. */
  readonly images: number | null;
}

/** A known set with everything it is compared with. */
export interface PlannedKnown {
  readonly name: string;
  readonly train: PlannedSet | null;
  readonly validation: PlannedSet | null;
  readonly test: PlannedSet;
  readonly ood: UnknownSets<PlannedSet>;
}

export interface PlannedNetwork {
  readonly network: NetworkEntry;
  readonly known: readonly PlannedKnown[];
  readonly jobs: readonly Job[];
}

export interface Plan extends Pick<Manifest, 'name' | 'profile' | 'out'> {
  readonly bootstrap: Bootstrap | null;
  readonly detectors: readonly DetectorChoice[];
  /** In the order of work. */
  readonly networks: readonly PlannedNetwork[];
  readonly skipped: readonly Skipped[];
  readonly counts: Counts;
}

/** How much work there is. */
export interface Counts {
  readonly train: number;
  /** Passes of a network over a set of images. */
  readonly passes: number;
  /** Images in these passes, where their number is known. */
  readonly images: number;
  /** Passes over sets of unknown size. */
  readonly unsized: number;
  /** Fits and scores that run the network themselves, besides the passes. */
  readonly modelJobs: number;
  readonly fit: number;
  readonly score: number;
  /** Rows of the results. */
  readonly measure: number;
}

/**
 * The plan of a manifest.
 *
 * @param sizeOf images of a set, or null; by default those of the sets that are known by name
 * @example
 * const plan = planManifest(await readManifest('experiments/fashion-mnist.yaml'));
 * for (const { network, jobs } of plan.networks) console.log(network.id, jobs.length);
 */
export function planManifest(manifest: Manifest, sizeOf: (set: DataReference) => number | null = knownSize): Plan {
  const { name, profile, bootstrap, out, detectors } = manifest;
  const skipped: Skipped[] = [];
  const networks = networksOf(manifest).map((network): PlannedNetwork => {
    const known = knownSetsOf(network, manifest.id, sizeOf);
    const usable = known.map((set) =>
      detectors.filter((detector) => {
        const reason = obstacle(network, detector, set);
        if (reason !== null) skipped.push({ network: network.id, known: set.name, detector: detector.label, reason });
        return reason === null;
      }),
    );
    return { network, known, jobs: jobsOf(network, known, usable) };
  });
  return { name, profile, bootstrap, out, detectors, networks, skipped, counts: count(networks) };
}

/** All jobs, in the order of work. */
export function jobsOfPlan({ networks }: Plan): Job[] {
  return networks.flatMap(({ jobs }) => jobs);
}

/** The order of a plan's names, for its results. */
export function layoutOf({ networks, detectors }: Plan): Layout {
  const known = networks.flatMap((each) => each.known);
  const distinct = (names: readonly string[]): string[] => [...new Set(names)];
  return {
    known: distinct(known.map(({ name }) => name)),
    networks: distinct(networks.map(({ network }) => network.name)),
    detectors: detectors.map(({ label }) => label),
    ood: distinct(known.flatMap(({ ood }) => [...ood.near, ...ood.far].map(({ name }) => name))),
  };
}

function knownSetsOf(
  { known, source }: NetworkEntry,
  id: readonly KnownSet[],
  sizeOf: (set: DataReference) => number | null,
) {
  if (source.kind === 'arrays') return [arraysAsKnown(source.arrays)];
  return id
    .filter(({ name }) => known === null || known.includes(name))
    .map(({ name, train, validation, test, ood }): PlannedKnown => {
      const images = sizeOf(test);
      const planned = (from: DataReference, id: string): PlannedSet => ({
        ...{ id, name: from.name, from },
        // Made-up images come in the number of the known ones.
        images: from.source.kind === 'synthetic' ? images : sizeOf(from),
      });
      // Made-up images are made after the known ones, so they are others for another known set.
      const unknown = (from: DataReference): PlannedSet =>
        planned(from, from.source.kind === 'synthetic' ? `${from.name}@${name}` : from.name);
      return {
        name,
        train: train && planned(train, `${name}:train`),
        validation: validation && planned(validation, `${name}:validation`),
        test: planned(test, `${name}:test`),
        ood: { near: ood.near.map(unknown), far: ood.far.map(unknown) },
      };
    });
}

function arraysAsKnown({ train, validation, id, ood }: ArraySets): PlannedKnown {
  const planned = (from: ArrayFile, setId = from.name): PlannedSet => ({
    id: setId,
    name: from.name,
    from,
    images: null,
  });
  return {
    name: id.name,
    train: train === null ? null : planned({ name: id.name, path: train }, `${id.name}:train`),
    validation: validation === null ? null : planned({ name: id.name, path: validation }, `${id.name}:validation`),
    test: planned(id, `${id.name}:test`),
    ood: { near: ood.near.map((file) => planned(file)), far: ood.far.map((file) => planned(file)) },
  };
}

function jobsOf(
  { id: network, source }: NetworkEntry,
  known: readonly PlannedKnown[],
  usable: readonly (readonly DetectorChoice[])[],
): Job[] {
  const runs = source.kind !== 'arrays';
  const train: TrainJob | null =
    source.kind === 'trained' ? { kind: 'train', id: `train/${network}`, network, needs: [], usesModel: true } : null;
  const before = train === null ? [] : [train.id];
  const extract = (set: PlannedSet): ExtractJob => ({
    ...{ kind: 'extract', id: `extract/${network}/${set.id}`, network, needs: before, usesModel: runs, set },
  });
  // A set may be unknown to several known ones; one pass serves them all.
  const extracts = new Map<string, ExtractJob>();
  known.forEach((set, i) => {
    const fitted = new Set(usable[i]!.map(({ fitsOn }) => fitsOn && set[fitsOn]));
    for (const each of [set.train, set.validation].filter((part) => part !== null && fitted.has(part)))
      extracts.set(each!.id, extract(each!));
    for (const each of [set.test, ...set.ood.near, ...set.ood.far])
      extracts.set(each.id, extracts.get(each.id) ?? extract(each));
  });
  const arraysOf = (set: PlannedSet): string => extracts.get(set.id)!.id;
  const withModel = ({ needs }: DetectorChoice): boolean => needs.includes('network');
  const detecting = known.flatMap((set, i) =>
    usable[i]!.flatMap((detector) =>
      detectorJobs(network, set, detector, { arraysOf, usesModel: withModel(detector) }),
    ),
  );
  // A measure waits for no network, so it needn't stand between jobs that keep one in memory.
  const loaded = detecting.filter(({ usesModel }) => usesModel);
  const free = detecting.filter(({ usesModel }) => !usesModel);
  return [...(train ? [train] : []), ...extracts.values(), ...loaded, ...free];
}

function detectorJobs(
  network: string,
  { name: known, test, ood, ...fitting }: PlannedKnown,
  detector: DetectorChoice,
  { arraysOf, usesModel }: { arraysOf: (set: PlannedSet) => string; usesModel: boolean },
): Job[] {
  const path = `${network}/${known}/${detector.label}`;
  const common = { network, known, detector } as const;
  const learnt = detector.fitsOn && fitting[detector.fitsOn];
  const fit: FitJob | null = learnt && {
    ...{ kind: 'fit', id: `fit/${path}`, ...common, set: learnt, needs: [arraysOf(learnt)], usesModel },
  };
  const score = (set: PlannedSet): ScoreJob => ({
    ...{ kind: 'score', id: `score/${path}/${set.id}`, ...common, set, usesModel },
    needs: [arraysOf(set), ...(fit ? [fit.id] : [])],
  });
  const ofTest = score(test);
  const unknown = (['near', 'far'] as const).flatMap((distance) => ood[distance].map((set) => ({ distance, set })));
  const scores = unknown.map(({ set }) => score(set));
  const measures = unknown.map(
    ({ distance, set }, i): MeasureJob => ({
      ...{ kind: 'measure', id: `measure/${path}/${set.id}`, ...common, ood: set, distance, usesModel: false },
      // The arrays for the accuracy.
      needs: [arraysOf(test), ofTest.id, scores[i]!.id],
    }),
  );
  return [...(fit ? [fit] : []), ofTest, ...scores, ...measures];
}

function count(networks: readonly PlannedNetwork[]): Counts {
  const jobs = networks.flatMap((each) => each.jobs);
  const of = (kind: Job['kind']): number => jobs.filter((job) => job.kind === kind).length;
  const passes = jobs.filter((job) => job.kind === 'extract' && job.usesModel) as ExtractJob[];
  return {
    train: of('train'),
    passes: passes.length,
    images: passes.reduce((sum, { set }) => sum + (set.images ?? 0), 0),
    unsized: passes.filter(({ set }) => set.images === null).length,
    modelJobs: jobs.filter(({ kind, usesModel }) => usesModel && (kind === 'fit' || kind === 'score')).length,
    fit: of('fit'),
    score: of('score'),
    measure: of('measure'),
  };
}
