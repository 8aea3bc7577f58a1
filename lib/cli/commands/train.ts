// `isotorch train`: a network from names into a run directory.

import { Command, Option } from 'commander';
import { type AugmentationName, augmentationNames } from '../../known/augmentations.js';
import { type DatasetName, dataSetNames } from '../../known/dataSets.js';
import { type LossName, lossNames } from '../../known/losses.js';
import { type ModelName, modelNames } from '../../known/models.js';
import { type Precision, precisions } from '../../known/precisions.js';
import { type RecipeName, recipes, resolveRecipe } from '../../training/recipes.js';
import { classList, positive, share, whole } from '../arguments.js';
import { Interrupted } from '../failure.js';
import { listenForInterrupt } from '../interrupt.js';
import { ProgressPrinter, percent } from '../progress.js';

interface TrainFlags {
  data: DatasetName;
  model: ModelName;
  loss: LossName;
  recipe: RecipeName;
  epochs?: number;
  batchSize?: number;
  lr?: number;
  precision: Precision;
  seed: number;
  validation: number;
  augment: AugmentationName[];
  classes?: number[];
  device?: string;
  out: string;
  resume?: boolean;
  overwrite?: boolean;
  json?: boolean;
}

const help = `
Recipes (each setting can be changed by an option; steps of the rate move with --epochs):
  quickstart     4 epochs, batch 128, SGD with Nesterov 0.1 / 0.9 / 1e-4, cosine to 0
  isomax-paper   300 epochs, batch 64, the same SGD, rate × 0.1 at epochs 150, 200 and 250

The run directory then holds config.json, environment.json, metrics.jsonl and checkpoints/:
last.pt and best.pt (by validation) are state dicts that PyTorch reads with
torch.load(path, weights_only=True); state.pt is what --resume goes on from.
Ctrl-C stops after the step in hand and saves; a second one ends at once.

Examples:
  $ isotorch train --loss isomax --out runs/fashion
  $ isotorch train --data mnist --loss isomaxplus --epochs 10 --augment crop --out runs/mnist
  $ isotorch train --data digits --classes 0-6 --epochs 30 --batch-size 64 --out runs/digits`;

export function trainCommand(): Command {
  return new Command('train')
    .description('Train a network on a known data set, with the loss of your choice.')
    .addOption(new Option('--data <name>', 'data set').choices(dataSetNames).default('fashion-mnist'))
    .addOption(new Option('--model <name>', 'network').choices(modelNames).default('convnet'))
    .addOption(new Option('--loss <name>', 'loss').choices(lossNames).default('isomax'))
    .addOption(
      new Option('--recipe <name>', 'settings to start from').choices(Object.keys(recipes)).default('quickstart'),
    )
    .option('--epochs <n>', "passes over the images (default: the recipe's)", whole(1))
    .option('--batch-size <n>', "images a step (default: the recipe's)", whole(1))
    .option('--lr <rate>', "learning rate at the start (default: the recipe's)", positive)
    .addOption(
      new Option('--precision <dtype>', 'of matrix products and convolutions').choices(precisions).default('float32'),
    )
    .option('--seed <n>', 'of weights, order and splits', whole(0), 0)
    .option('--validation <share>', 'share of the training images to hold out; they choose best.pt', share, 0.05)
    .addOption(
      new Option('--augment <kind...>', 'change training images at random')
        .choices(augmentationNames)
        .default([], 'none'),
    )
    .option('--classes <list>', 'train on these classes only, such as 0-6 (default: all)', classList)
    .option('--device <name>', 'cpu, cuda, cuda:1, … (default: the accelerator, else cpu)')
    .requiredOption('--out <folder>', 'the run directory')
    .option('--resume', 'go on with the run in --out; give the same options as before')
    .option('--overwrite', 'replace a run in --out')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', help)
    .action(train);
}

async function train(flags: TrainFlags): Promise<void> {
  const {
    data,
    model,
    loss,
    recipe,
    epochs,
    batchSize,
    lr,
    precision,
    seed,
    validation,
    augment,
    classes = null,
    out,
  } = flags;
  const { resume = false, overwrite = false } = flags;
  const total = resolveRecipe(recipe, { epochs }).epochs;
  const progress = new ProgressPrinter();
  const signal = listenForInterrupt(() => progress.line('Stopping after this step; Ctrl-C again ends at once.'));
  const { trainExperiment } = await import('../../training/experiment.js');
  const result = await trainExperiment(
    { data, model, loss, recipe, seed, validation, augment, classes },
    {
      ...{ epochs, batchSize, lr, precision, device: flags.device as 'cpu' | undefined },
      ...{ out, resume, overwrite, signal },
      log: (message) => progress.line(message),
      onProgress: (step) => progress.step(step),
      onEpoch: (record) => progress.epoch(record, total),
    },
  );
  progress.clear();
  if (flags.json) process.stdout.write(`${JSON.stringify({ out, ...result }, null, 2)}\n`);
  if (result.stopped) {
    progress.line(`Stopped and saved. Go on with the same command and --resume:\n  isotorch ${resumeArguments()}`);
    throw new Interrupted();
  }
  if (flags.json) return;
  const last = result.epochs.at(-1)!;
  const measured = last.validation
    ? `${percent(last.validation.accuracy)} of the validation images are right`
    : `${percent(last.accuracy)} of the training images were right in the last epoch`;
  process.stdout.write(
    `Trained ${total} epochs: ${measured}.\nThe run is in ${out}. Measure it with:\n  isotorch evaluate ${out}\n`,
  );
}

/** What was typed, with --resume and without --overwrite. */
function resumeArguments(): string {
  const typed = process.argv.slice(2).filter((word) => word !== '--resume' && word !== '--overwrite');
  return [...typed, '--resume']
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
