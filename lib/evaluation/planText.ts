// The plan as a person reads it before saying yes: what is measured on what, with what, what is left out and why, and how much
// work that is.

import { groupBy } from '../report/summary.js';
import type { DetectorChoice } from './manifest/detectorSchemas.js';
import type { Plan, PlannedKnown, PlannedNetwork, PlannedSet } from './plan.js';

/** For a terminal; plain text without a newline at the end. */
export function renderPlan(plan: Plan): string {
  const { name, networks, detectors, skipped, counts, out, profile, bootstrap } = plan;
  const metrics = profile === null ? 'exact, with ties' : `as ${profile} defines them`;
  return [
    `${name}: ${plural(networks.length, 'network')}, ${plural(detectors.length, 'detector')}, ${plural(counts.measure, 'row')} of results`,
    '',
    'Networks',
    ...[...groupBy(networks, ({ network }) => network.name).values()].map(networkLine),
    '',
    ...knownBlocks(networks),
    'Detectors',
    ...detectors.map((each) => `  ${each.label}${about(each)}`),
    '',
    ...(skipped.length > 0 ? ['Left out', ...skippedLines(plan), ''] : []),
    'Work',
    ...workLines(plan),
    '',
    `Metrics ${metrics}${bootstrap === null ? '' : `; ${(bootstrap.confidence * 100).toFixed(0)} % intervals from ${plural(bootstrap.resamples, 'resample')}, seed ${bootstrap.seed}`}.`,
    `Results go to ${out}.`,
  ].join('\n');
}

function networkLine(of: readonly PlannedNetwork[]): string {
  const { network } = of[0]!;
  const seeds = of.map((each) => each.network.seed).filter((seed) => seed !== null);
  const { source } = network;
  const what =
    source.kind === 'trained'
      ? `trained on ${source.training.data}, recipe ${source.training.recipe}${source.training.epochs === null ? '' : `, ${plural(source.training.epochs, 'epoch')}`}`
      : source.kind === 'arrays'
        ? 'arrays'
        : source.kind === 'run'
          ? `run ${source.path}, ${source.checkpoint} weights`
          : `${source.model} with ${source.loss}, ${source.path}`;
  return `  ${network.name}: ${what}${seeds.length === 0 ? '' : `; seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}`}`;
}

/** Known sets, each with what it is told from; once, though every network meets them. */
function knownBlocks(networks: readonly PlannedNetwork[]): string[] {
  const blocks = networks.flatMap(({ known }) => known.map((set) => knownBlock(set).join('\n')));
  return [...new Set(blocks)].flatMap((block) => [block, '']);
}

function knownBlock({ name, train, validation, test, ood }: PlannedKnown): string[] {
  const sets = (of: readonly PlannedSet[]): string => of.map((set) => `${set.name}${size(set)}`).join(', ');
  return [
    `Known: ${name}${size(test)}${train === null ? '' : `; detectors learn from ${train.name}${size(train)}`}${validation === null ? '' : `, held out is ${validation.name}${size(validation)}`}`,
    ...(ood.near.length > 0 ? [`  near  ${sets(ood.near)}`] : []),
    ...(ood.far.length > 0 ? [`  far   ${sets(ood.far)}`] : []),
  ];
}

function about({ needs, fitsOn }: DetectorChoice): string {
  const parts = [
    ...(fitsOn === null ? [] : [fitsOn === 'train' ? 'learns' : 'learns from held-out images']),
    ...(needs.includes('network') ? ['runs the network'] : []),
  ];
  return parts.length === 0 ? '' : `  (${parts.join(', ')})`;
}

/** Detectors that are left out on the same networks for the same reason share a line. */
function skippedLines({ skipped, networks }: Plan): string[] {
  const names = new Map(networks.map(({ network }) => [network.id, network.name]));
  const lines = [...groupBy(skipped, ({ detector, reason }) => JSON.stringify([detector, reason])).values()].map(
    (of) => {
      const on = new Set(of.map(({ network }) => names.get(network)!));
      return { detector: of[0]!.detector, where: `on ${[...on].join(', ')}: ${of[0]!.reason}` };
    },
  );
  return [...groupBy(lines, ({ where }) => where)].map(
    ([where, of]) => `  ${of.map(({ detector }) => detector).join(', ')} ${where}`,
  );
}

function workLines({ counts }: Plan): string[] {
  const { train, passes, images, unsized, modelJobs, fit, score, measure } = counts;
  const more = unsized === 0 ? '' : `, and ${plural(unsized, 'pass', 'es')} over sets of a size that is not known yet`;
  const lines: (readonly [number, string, string])[] = [
    [train, 'train', plural(train, 'network')],
    [passes, 'extract', `${plural(passes, 'pass', 'es')}, ${plural(images, 'image')} forward${more}`],
    [fit, 'fit', plural(fit, 'detector')],
    [score, 'score', plural(score, 'set')],
    [modelJobs, '', `${modelJobs.toLocaleString('en-US')} of these run the network again`],
    [measure, 'measure', plural(measure, 'row')],
  ];
  return lines.filter(([count]) => count > 0).map(([, kind, text]) => `  ${kind.padEnd(8)} ${text}`);
}

const size = ({ images }: PlannedSet): string => (images === null ? '' : ` (${images.toLocaleString('en-US')})`);

function plural(count: number, word: string, ending = 's'): string {
  return `${count.toLocaleString('en-US')} ${word}${count === 1 ? '' : ending}`;
}
