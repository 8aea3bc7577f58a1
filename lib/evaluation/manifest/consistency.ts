// Checks between the sections of a manifest, and their union: what each section can't see alone. Works on what could be read,
// so that a person gets these mistakes together with the others.

import { didYouMean } from '../../nearest.js';
import { type NetworkEntry, networksOf, obstacle, ofCheckpoint } from '../networks.js';
import type { Located } from './located.js';
import type { Written, WrittenKnownSet } from './manifestShape.js';
import { type Origin, type Report, within } from './shapes.js';
import type { ArrayFile, Checkpoint, DataReference, KnownSet, Manifest, Training, UnknownSets } from './types.js';

/** Brings the sections together. The result counts only if the report has no mistake. */
export function unite(written: Partial<Written>, top: Origin, report: Report): Manifest {
  const { name = '', train = null, checkpoints = [], arrays = [], detectors = [] } = written;
  const { profile = null, bootstrap = null, out } = written;
  const wants = train !== null || checkpoints.length > 0;
  const has = (section: string): boolean => within(top, section) !== top;
  if (!wants && arrays.length === 0 && !['train', 'checkpoints', 'arrays'].some(has))
    report.wrong(
      top,
      'at least one of `train`, `checkpoints` and `arrays`',
      'none of them',
      'They say which networks to measure.',
    );

  const sets = written.id ?? (train !== null && !has('id') ? [impliedBy(train, report, top)] : []);
  if (checkpoints.length > 0 && sets.length === 0 && !has('id') && !has('train'))
    report.wrong(top, '`id`: what the checkpoints know', 'nothing', 'Add `id: { train: …, test: … }`.');
  const id = sets.map((set) => withUnknown(set, written.ood ?? null, has('ood'), report));
  const manifest: Manifest = {
    ...{ name, train, checkpoints, arrays, id, detectors, profile, bootstrap },
    out: out ?? report.resolve(`results/${name}`),
  };
  const whole = countOf(within(top, 'id').node) === id.length || !has('id');
  if (whole) checkUse(manifest, top, report);
  checkSize(manifest, top, report);
  checkNetworks(manifest, whole, report);
  for (const known of id) checkKnown(known, report);
  for (const each of arrays) for (const set of all(each.ood)) checkApart(set, each.id.name, report);
  checkSameNames(id, report);
  checkStatistics(manifest, report);
  // `all` means all that work.
  const chosen = within(top, 'detectors').node.kind === 'list';
  if (chosen) checkTraining(manifest, report);
  // A network that couldn't be read might have been the one that a detector is for.
  if (chosen && report.mistakes.length === 0) checkDetectors(manifest, report);
  return manifest;
}

/** Known sets as they are written: one, or those of a list. */
const countOf = (node: Located): number => (node.kind === 'list' ? node.items.length : 1);

/** What no network reads would be passed over in silence. */
function checkUse({ train, checkpoints, arrays, id }: Manifest, top: Origin, report: Report): void {
  const has = (section: string): boolean => within(top, section) !== top;
  if (arrays.length > 0 && !has('train') && !has('checkpoints'))
    for (const section of ['id', 'ood'].filter(has))
      report.wrong(
        within(top, section),
        '`train` or `checkpoints` beside it',
        'arrays only',
        'Arrays have an `id` and an `ood` of their own.',
      );
  else if (
    has('ood') &&
    id.length > 0 &&
    id.every((set) => within(report.originOf(set), 'ood') !== report.originOf(set))
  )
    report.wrong(within(top, 'ood'), 'a known set without an `ood` of its own', 'none', 'Remove this one or theirs.');
  if (train !== null || checkpoints.some((each) => each.id === null)) return;
  for (const set of id)
    if (checkpoints.length > 0 && !checkpoints.some((each) => each.id?.includes(set.name)))
      report.wrong(report.originOf(set), 'a checkpoint that is measured on it', 'none', 'Add it to the `id` of one.');
}

/** Rows of results beyond this are a slip, and their plan would not fit into memory. */
const MOST_ROWS = 200_000;

function checkSize(manifest: Manifest, top: Origin, report: Report): void {
  const { id, detectors } = manifest;
  const unknown = (sets: UnknownSets<unknown>): number => sets.near.length + sets.far.length;
  const ofImages = (known: readonly string[] | null): number =>
    id.reduce((sum, set) => sum + (known === null || known.includes(set.name) ? unknown(set.ood) : 0), 0);
  const rows = networksOf(manifest).reduce(
    (sum, { source, known }) =>
      sum + detectors.length * (source.kind === 'arrays' ? unknown(source.arrays.ood) : ofImages(known)),
    0,
  );
  if (rows > MOST_ROWS) {
    const most = `at most ${MOST_ROWS.toLocaleString('en-US')} rows of results`;
    report.wrong(
      top,
      most,
      rows.toLocaleString('en-US'),
      'Networks × unknown sets × detectors: split it into several manifests.',
    );
  }
}

function impliedBy({ data, classes }: Training, report: Report, top: Origin): WrittenKnownSet {
  const split = (split: 'train' | 'test'): DataReference =>
    report.keep({ name: data, source: { kind: 'set', set: data, split }, classes, rows: null }, within(top, 'train'));
  return report.keep(
    { name: data, train: split('train'), validation: null, test: split('test'), ood: null },
    within(top, 'train'),
  );
}

function withUnknown(set: WrittenKnownSet, shared: Written['ood'], written: boolean, report: Report): KnownSet {
  const origin = report.originOf(set);
  const ood = set.ood ?? shared;
  if (ood === null && !written && within(origin, 'ood') === origin)
    report.wrong(origin, '`ood`: the unknown sets', 'nothing', 'Add `ood: { near: […], far: […] }` to the manifest.');
  return report.keep({ ...set, ood: ood ?? { near: [], far: [] } }, origin);
}

/** Networks need ids of their own; those that share a name are one network with several seeds. */
function checkNetworks({ train, checkpoints, arrays, id }: Manifest, allKnown: boolean, report: Report): void {
  const seen = new Map<string, NetworkEntry>();
  const names = new Map<string, NetworkEntry>();
  const enter = (network: NetworkEntry, origin: Origin): void => {
    const twin = seen.get(network.id);
    const namesake = names.get(network.name);
    if (twin !== undefined)
      report.wrong(
        within(origin, 'name'),
        'a name and seed of its own',
        `${network.id} again`,
        'Give one of them another `name` or `seed`.',
      );
    else if (namesake !== undefined && (namesake.loss !== network.loss || namesake.model !== network.model))
      report.wrong(
        within(origin, 'name'),
        `the loss and model of the others called ${network.name}`,
        `${network.loss} and ${network.model} beside ${namesake.loss} and ${namesake.model}`,
        'Networks of one name differ in their seeds alone.',
      );
    seen.set(network.id, network);
    names.set(network.name, namesake ?? network);
  };
  if (train)
    for (const network of networksOf({ train, checkpoints: [], arrays: [] })) enter(network, report.originOf(train));
  const known = id.map((set) => set.name);
  for (const checkpoint of checkpoints) {
    const origin = report.originOf(checkpoint);
    for (const network of ofCheckpoint(checkpoint)) enter(network, origin);
    for (const name of checkpoint.id ?? [])
      if (allKnown && !known.includes(name))
        report.wrong(within(origin, 'id'), `names of known sets (${known.join(', ')})`, name, didYouMean(name, known));
  }
  for (const each of arrays)
    for (const network of networksOf({ train: null, checkpoints: [], arrays: [each] }))
      enter(network, report.originOf(each));
}

function checkKnown({ name, train, validation, test, ood }: KnownSet, report: Report): void {
  for (const [other, set] of Object.entries({ train, test }))
    if (validation && set && sharesRows(validation, set))
      report.wrong(
        report.originOf(validation),
        `images that \`${other}\` has not`,
        'some of them',
        'Choose other ones with `rows: [from, to]`.',
      );
  for (const set of all(ood)) {
    if (overlap(set, test)) {
      const hint =
        'For classes that were not trained on: { name: held-out, set: …, classes: […] }, and the others in `id`.';
      report.wrong(report.originOf(set), `images that ${name} has not`, 'the known set itself', hint);
    } else checkApart(set, name, report);
  }
}

function checkApart(set: DataReference | ArrayFile, known: string, report: Report): void {
  if (set.name === known)
    report.wrong(report.originOf(set), 'another name than the known set has', set.name, 'Give one of them a `name`.');
}

/** Whether two references are to the same images, as far as their names tell. */
function overlap(a: DataReference, b: DataReference): boolean {
  const key = ({ source }: DataReference): string =>
    source.kind === 'set' || source.kind === 'synthetic' ? source.set : `${source.kind} ${source.path}`;
  return (
    key(a) === key(b) &&
    (a.classes === null || b.classes === null || a.classes.some((label) => b.classes!.includes(label)))
  );
}

/** Whether two references are to the same images of one split. */
function sharesRows(a: DataReference, b: DataReference): boolean {
  const apart = a.rows !== null && b.rows !== null && (a.rows[1] <= b.rows[0] || b.rows[1] <= a.rows[0]);
  return !apart && JSON.stringify(a.source) === JSON.stringify(b.source) && overlap(a, b);
}

/** One name means one set in all of the results. */
function checkSameNames(id: readonly KnownSet[], report: Report): void {
  const first = new Map<string, DataReference>();
  for (const { ood } of id)
    for (const set of all(ood)) {
      const { name, source, classes, rows } = set;
      const other = first.get(name) ?? set;
      if (JSON.stringify([source, classes, rows]) !== JSON.stringify([other.source, other.classes, other.rows]))
        report.wrong(
          report.originOf(set),
          `what ${name} is elsewhere in the manifest`,
          'something else',
          'Give it another name.',
        );
      first.set(name, other);
    }
}

const all = <T>({ near, far }: UnknownSets<T>): T[] => [...near, ...far];

/** Detectors that learn, and networks without `normalize`, need known images beside the tested ones. */
function checkTraining({ id, checkpoints, train, detectors }: Manifest, report: Report): void {
  for (const known of id) {
    const measured = checkpoints.filter((each) => each.id === null || each.id.includes(known.name));
    if (measured.length === 0 && train === null) continue;
    for (const [on, which] of [
      ['train', 'the images that the networks were trained on'],
      ['validation', 'known images that no network was trained on'],
    ] as const) {
      const learning = detectors.filter(({ fitsOn }) => fitsOn === on).map(({ name }) => name);
      if (learning.length === 0 || known[on] !== null) continue;
      const needed = `\`${on}\`, since these detectors learn: ${[...new Set(learning)].join(', ')}`;
      report.wrong(report.originOf(known), needed, `no \`${on}\``, `Add \`${on}:\` to \`id\`, ${which}.`);
    }
  }
}

function checkStatistics({ id, checkpoints }: Manifest, report: Report): void {
  for (const { name } of id.filter(({ train }) => train === null))
    for (const checkpoint of checkpoints.filter((each) => each.id === null || each.id.includes(name)))
      if (lacksStatistics(checkpoint))
        report.wrong(
          report.originOf(checkpoint),
          `\`normalize\`, since ${name} has no \`train\` to take it from`,
          'none',
          'Add `normalize: { mean: […], std: […] }`.',
        );
}

const lacksStatistics = ({ source }: Checkpoint): boolean => source.kind === 'weights' && source.normalize === null;

/** A detector that no network allows was not meant. */
function checkDetectors(manifest: Manifest, report: Report): void {
  for (const detector of manifest.detectors) {
    const reasons = networksOf(manifest).flatMap((network) => {
      const { source, known } = network;
      const sets =
        source.kind === 'arrays' ? [source.arrays] : manifest.id.filter(({ name }) => known?.includes(name) ?? true);
      return sets.map((set) => obstacle(network, detector, set));
    });
    if (reasons.length > 0 && reasons.every((reason) => reason !== null))
      report.wrong(
        report.originOf(detector),
        'a detector that works on some of the networks',
        detector.name,
        `It ${reasons[0]}.`,
      );
  }
}
