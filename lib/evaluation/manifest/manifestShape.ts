// The manifest's sections, each as the shape that reads it. Everything a user can write is here and in dataShape.ts,
// checkpointShape.ts and detectorSchemas.ts; docs/evaluation.md explains it.

import { augmentationNames } from '../../known/augmentations.js';
import { dataSetNames } from '../../known/dataSets.js';
import { lossNames } from '../../known/losses.js';
import { profileNames } from '../../known/metrics.js';
import { modelNames } from '../../known/models.js';
import { precisions } from '../../known/precisions.js';
import { type RecipeName, recipes } from '../../training/recipes.js';
import { checkpointShape, seedShape, seedsShape } from './checkpointShape.js';
import { classesShape, dataShape, nameFromPath } from './dataShape.js';
import { allDetectors, type DetectorChoice, type DetectorSchemas, detectorShape } from './detectorSchemas.js';
import {
  byKind,
  choice,
  existing,
  type Fields,
  list,
  mapOf,
  nameShape,
  number,
  optional,
  pathShape,
  record,
  refine,
  required,
  type Shape,
} from './shapes.js';
import type { ArrayFile, ArraySets, DataReference, Manifest, Training, UnknownSets } from './types.js';

/** A known set as it is written: its unknown sets may be those of the whole manifest. */
export interface WrittenKnownSet {
  readonly name: string;
  readonly train: DataReference | null;
  readonly validation: DataReference | null;
  readonly test: DataReference;
  readonly ood: UnknownSets<DataReference> | null;
}

/** The manifest as it is written, before its sections are brought together. */
export interface Written
  extends Pick<Manifest, 'name' | 'train' | 'checkpoints' | 'arrays' | 'detectors' | 'profile' | 'bootstrap'> {
  readonly id: readonly WrittenKnownSet[] | null;
  readonly ood: UnknownSets<DataReference> | null;
  readonly out: string | null;
}

const recipeNames = Object.keys(recipes) as RecipeName[];

const training: Shape<Training> = record('what to train: a map with data, model, losses, seeds …', {
  data: required(choice(dataSetNames, 'a data set')),
  model: optional(choice(modelNames, 'a network'), 'convnet'),
  recipe: optional(choice(recipeNames, 'a recipe'), 'quickstart'),
  epochs: optional(number({ integer: true, min: 1 }), null),
  batchSize: optional(number({ integer: true, min: 1 }), null),
  lr: optional(number({ above: 0 }), null),
  precision: optional(choice(precisions), 'float32'),
  losses: required(list(choice(lossNames, 'a loss'), { unique: (name) => name })),
  seeds: optional(seedsShape, [0]),
  validation: optional(number({ min: 0, below: 1 }), 0.05),
  augment: optional(list(choice(augmentationNames), { least: 0, unique: (name) => name }), []),
  classes: optional(classesShape, null),
} satisfies Fields<Training>);

/** `{ near: […], far: […] }`, not both empty, each set with a name of its own. */
function unknownShape<T extends { readonly name: string }>(
  item: Shape<readonly T[]>,
  what: string,
): Shape<UnknownSets<T>> {
  const expects = `unknown sets: a map with near, far or both, each ${what}`;
  const shape = record<UnknownSets<T>>(expects, { near: optional(item, []), far: optional(item, []) });
  return refine(byKind(expects, { map: shape }), (sets, origin, report) => {
    const all = [...sets.near, ...sets.far];
    if (all.length === 0) report.wrong(origin, 'at least one unknown set in near or far', 'none');
    all.forEach((set, i) => {
      if (all.findIndex(({ name }) => name === set.name) === i) return;
      const hint = 'Remove one, or give it another name.';
      report.wrong(report.originOf(set), 'a name of its own for each set', `${set.name} again`, hint);
    });
    return sets;
  });
}

const unknownImages = unknownShape(list(dataShape('ood'), { least: 0 }), 'a list of data sets');

const bothSplits: Shape<WrittenKnownSet> = {
  expects: 'a data set that is known by name',
  read(node, path, report) {
    const [train, test] = [dataShape('train'), dataShape('test')].map((shape) => shape.read(node, path, report));
    if (train === undefined || test === undefined) return undefined;
    return report.keep(
      { name: test.name, train, validation: null, test, ood: null },
      { place: node.place, path, node },
    );
  },
};

const knownSet: Shape<WrittenKnownSet> = byKind('a known set: a name, or a map with train and test', {
  scalar: bothSplits,
  map: refine(
    record('a known set: a map with train, validation and test', {
      name: optional(nameShape, null),
      train: optional(dataShape('train'), null),
      validation: optional(dataShape('train'), null),
      test: required(dataShape('test')),
      ood: optional(unknownImages, null),
    }),
    ({ name, ...sets }, origin, report) => report.keep({ name: name ?? sets.test.name, ...sets }, origin),
  ),
});

const knownSets: Shape<readonly WrittenKnownSet[]> = byKind('a known set, or a list of them', {
  scalar: refine(knownSet, (set) => [set]),
  map: refine(knownSet, (set) => [set]),
  list: list(knownSet, { unique: (set) => set.name }),
});

/** `{ name: file }`; each is kept with the place of its path. */
const arrayFiles: Shape<readonly ArrayFile[]> = refine(
  mapOf(
    nameShape,
    refine(existing('file'), (path, origin, report) => report.keep({ path }, origin)),
    'a map from names to files',
  ),
  (entries, _, report) => entries.map(([name, file]) => report.keep({ name, path: file.path }, report.originOf(file))),
);

const arraySets: Shape<ArraySets> = refine(
  record('arrays: a map with name, id, ood, and head and train where there are any', {
    name: required(nameShape),
    loss: optional(nameShape, 'unnamed'),
    model: optional(nameShape, null),
    seed: optional(seedShape, null),
    head: optional(existing('file'), null),
    train: optional(existing('file'), null),
    validation: optional(existing('file'), null),
    id: required(
      byKind<ArrayFile>('a file, or { name: file }', {
        scalar: refine(existing('file'), (path, origin, report) => {
          const name = nameFromPath(path, origin, report);
          return name === undefined ? undefined : { name, path };
        }),
        map: refine(arrayFiles, (files, origin, report) => {
          if (files.length === 1) return files[0];
          if (files.length > 1)
            report.wrong(origin, 'one file', `${files.length}`, 'More known sets are more entries of arrays.');
          return undefined;
        }),
      }),
    ),
    ood: required(unknownShape(arrayFiles, 'a map from names to files')),
  }),
  (raw, origin, report): ArraySets => report.keep({ ...raw, model: raw.model ?? raw.name }, origin),
);

const bootstrap = record('the bootstrap: a map with resamples, seed, confidence', {
  resamples: optional(number({ integer: true, min: 10, max: 1_000_000 }), 1000),
  seed: optional(seedShape, 0),
  confidence: optional(number({ above: 0, below: 1 }), 0.95),
});

/** The fields of a manifest, with the detectors of a table. */
export function manifestFields(schemas: DetectorSchemas): Fields<Written> {
  const chosen: Shape<readonly DetectorChoice[]> = byKind('a list of detectors, or `all`', {
    scalar: refine(choice(['all'], 'a list of detectors, or'), (_, origin, report) =>
      allDetectors(schemas).map((each) => report.keep(each, origin)),
    ),
    list: list(detectorShape(schemas), { unique: (each) => each.label }),
  });
  return {
    name: required(nameShape),
    train: optional(training, null),
    checkpoints: optional(list(checkpointShape), []),
    arrays: optional(list(arraySets), []),
    id: optional(knownSets, null),
    ood: optional(unknownImages, null),
    detectors: required(chosen),
    profile: optional(choice(profileNames, 'a profile'), null),
    bootstrap: optional(bootstrap, null),
    out: optional(pathShape('folder'), null),
  };
}
