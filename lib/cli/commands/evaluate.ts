// `isotorch evaluate`: how well a trained network tells its images from unknown ones.

import { Command, Option } from 'commander';
import type { Trained } from '../../evaluation/runs.js';
import { type DatasetName, dataSetNames } from '../../known/dataSets.js';
import { detectorNames, shapingNames } from '../../known/detectors.js';
import { type LossName, lossNames } from '../../known/losses.js';
import { type ModelName, modelNames } from '../../known/models.js';
import { type UnknownName, unknownNames } from '../../known/unknownSets.js';
import { classList, detectors } from '../arguments.js';
import { exitCodes, Interrupted } from '../failure.js';
import { listenForInterrupt } from '../interrupt.js';
import { ProgressPrinter } from '../progress.js';
import { evaluateManifest, isManifest, tellFailures } from './evaluateManifest.js';

interface EvaluateFlags {
  ood?: (UnknownName | 'noise')[];
  score?: string[];
  checkpoint: 'last' | 'best';
  weights?: string;
  data: DatasetName;
  model: ModelName;
  loss: LossName;
  classes?: number[];
  device?: string;
  out?: string;
  json?: boolean;
  dryRun?: boolean;
}

const help = `
A score is the number that a detector gives an image; larger means more known:
  mps     maximum probability              goes with SoftMax
  es      entropic score                   goes with IsoMax
  mds     minimum distance, largest logit  goes with IsoMax+
  mmles   largest + mean logit + entropic  goes with DisMax; mmls and mmleps are its kin
All others, of logits, features or the network itself:
${columns(detectorNames.filter((name) => !['mps', 'es', 'mds', 'mmles', 'mmls', 'mmleps'].includes(name)))}
and before a detector of features, energy+react and the like, one of
${columns(shapingNames)}
What has to learn learns from the run's training images, or from those that it held out (docs/detectors.md).

Unknown sets are made to fit the known images in size and channels. "noise" stands for uniform-noise
and gaussian-noise, "held-out" for test images of the classes that were not trained on. Sets that are
not on this machine are fetched when you name them; without --ood, all that are here are taken.

A table goes to the terminal; results.json, .csv, .md and report.html into the run
directory (or --out), and into \`work\` there what the same command needn't do again.

A file that ends in .yaml or .yml is a manifest: many networks, sets and detectors at once. It is checked,
every mistake listed with its line, the plan printed, and worked through; --dry-run stops before the work.
What is done is kept: after Ctrl-C or a crash the same command goes on. Results go into the manifest's
folder \`out\`; the exit code is 1 if something failed. docs/evaluation.md explains it.

Examples:
  $ isotorch evaluate runs/fashion
  $ isotorch evaluate runs/fashion --ood mnist kmnist noise --score es knn energy+react --json
  $ isotorch evaluate experiments/cifar10.yaml --dry-run
  $ isotorch evaluate experiments/cifar10.yaml
  $ isotorch evaluate --weights net.pt --data fashion-mnist --model convnet --loss isomax --out runs/net`;

/** Names in lines of a terminal's width. */
function columns(names: readonly string[]): string {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + name.length < 98) lines[lines.length - 1] = `${last}, ${name}`;
    else lines.push(`  ${name}`);
  }
  return lines.join(',\n');
}

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description('Measure accuracy, and how well a network tells known images from unknown ones.')
    .argument('[run]', 'run directory of isotorch train, or a manifest (.yaml)')
    .addOption(
      new Option('--ood <name...>', 'sets of unknown images (default: all that are on this machine)').choices([
        ...unknownNames,
        'noise',
      ]),
    )
    .option('--score <name...>', 'detectors (default: mps, es, mds, and that of the loss)', detectors)
    .addOption(new Option('--checkpoint <name>', 'which weights of the run').choices(['last', 'best']).default('last'))
    .option('--weights <file>', 'a state dict instead of a run: .pt as PyTorch or isotorch saves it')
    .addOption(
      new Option('--data <name>', 'with --weights: known data set').choices(dataSetNames).default('fashion-mnist'),
    )
    .addOption(new Option('--model <name>', 'with --weights: network').choices(modelNames).default('convnet'))
    .addOption(new Option('--loss <name>', 'with --weights: loss').choices(lossNames).default('isomax'))
    .option('--classes <list>', 'with --weights: the classes that were trained on (default: all)', classList)
    .option('--device <name>', 'cpu, cuda, cuda:1, … (default: the accelerator, else cpu)')
    .option('--out <folder>', 'where to write the report (default: the run directory)')
    .option('--dry-run', 'with a manifest: check it, print the plan and run nothing')
    .option('--json', 'print results.json instead of the table')
    .addHelpText('after', help)
    .action(evaluate);
}

async function evaluate(run: string | undefined, flags: EvaluateFlags, command: Command): Promise<void> {
  if (run !== undefined && isManifest(run)) return evaluateManifest(run, flags, command);
  if (flags.dryRun) command.error('error: --dry-run goes with a manifest', { exitCode: exitCodes.usage });
  const { weights, data, model, loss, classes = null, checkpoint, score, device, out = run } = flags;
  if ((run === undefined) === (weights === undefined))
    command.error('error: name either a run directory or --weights <file>', { exitCode: exitCodes.usage });
  const trained: Trained =
    weights === undefined ? { run: run!, checkpoint } : { weights, experiment: { data, model, loss, classes } };
  const ood = flags.ood?.flatMap((name) =>
    name === 'noise' ? (['uniform-noise', 'gaussian-noise'] as const) : [name],
  );

  const progress = new ProgressPrinter();
  const signal = listenForInterrupt(() => progress.line('Stopping; Ctrl-C again ends at once.'));
  const { evaluateRuns } = await import('../../evaluation/runs.js');
  const { renderTable, resultsJson, supportsColour } = await import('../../report/index.js');
  const { report, results, failures, files } = await evaluateRuns([trained], {
    ...{ ood, scores: score, device: device as 'cpu' | undefined, signal, out },
    log: (message) => progress.line(message),
    onProgress: (step) => progress.manifest(step),
  }).catch((error: unknown) => {
    progress.clear();
    throw signal.aborted ? new Interrupted() : error;
  });
  progress.clear();
  const table = (): string => renderTable(results, { colour: supportsColour(process.stdout), scores: 'all' });
  process.stdout.write(flags.json ? resultsJson(report) : `${table()}\n`);
  if (files) progress.line(`Results: ${files.json}\nReport:  ${files.html}`);
  tellFailures(failures, progress);
}
