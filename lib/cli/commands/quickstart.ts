// `isotorch quickstart`: the paper's effect in a few minutes.

import { Command, Option } from 'commander';
import { quickstartLosses } from '../../known/losses.js';
import { whole } from '../arguments.js';
import { Interrupted } from '../failure.js';
import { listenForInterrupt } from '../interrupt.js';
import { ProgressPrinter, percent } from '../progress.js';

interface QuickstartFlags {
  data?: 'fashion-mnist' | 'digits';
  epochs?: number;
  seed: number;
  device?: string;
  out: string;
  resume?: boolean;
  json?: boolean;
}

const help = `
It trains the same small network three times on Fashion-MNIST, from the same first weights, in the same
order, with SoftMax, IsoMax and IsoMax+. Then each network sees images of other kinds: digits, noise,
shuffled pixels, and MNIST, KMNIST and notMNIST where they are on this machine (ISOTORCH_DATA names a
folder with them). The table tells how well each knows that it doesn't know them.

It takes a few minutes on two cores. Ctrl-C stops and saves; --resume goes on.
Each run begins anew and replaces the one before. Where Fashion-MNIST can't be fetched, it runs on the
optical digits that come with the package, with three digits held out.

Examples:
  $ isotorch quickstart
  $ isotorch quickstart --data digits --out runs/digits     a minute, without any download`;

export function quickstartCommand(): Command {
  return new Command('quickstart')
    .description('See the effect: SoftMax, IsoMax and IsoMax+ on the same images, side by side.')
    .addOption(
      new Option('--data <name>', 'known images (default: fashion-mnist, digits where it cannot be had)').choices([
        'fashion-mnist',
        'digits',
      ]),
    )
    .option('--epochs <n>', 'passes over the images for each loss (default: 4; 30 on the digits)', whole(1))
    .option('--seed <n>', 'of weights, order and splits', whole(0), 0)
    .option('--device <name>', 'cpu, cuda, cuda:1, … (default: the accelerator, else cpu)')
    .option('--out <folder>', 'where to write', 'runs/quickstart')
    .option('--resume', 'go on with a quickstart that was stopped')
    .option('--json', 'print { environment, results } as JSON instead of the table')
    .addHelpText('after', help)
    .action(start);
}

async function start(flags: QuickstartFlags): Promise<void> {
  const { out, epochs, seed, resume = false, data, device } = flags;
  const progress = new ProgressPrinter();
  const signal = listenForInterrupt(() => progress.line('Stopping after this step; Ctrl-C again ends at once.'));
  const { quickstart } = await import('../../evaluation/quickstart.js');
  const { lossTitle, renderTable, supportsColour } = await import('../../report/index.js');
  const width = Math.max(...quickstartLosses.map((loss) => lossTitle(loss).length));
  const label = (loss: (typeof quickstartLosses)[number]): string =>
    `${lossTitle(loss).padEnd(width)} ${quickstartLosses.indexOf(loss) + 1}/${quickstartLosses.length}`;
  const result = await quickstart({
    ...{ out, epochs, seed, resume, data, device: device as 'cpu' | undefined, signal },
    log: (message) => progress.line(message),
    onProgress: (step, loss) => progress.step(step, label(loss)),
    onEpoch: (record, loss, total) => progress.epoch(record, total, label(loss)),
    onEvaluate: (step, loss) => progress.manifest(step, label(loss)),
  });
  progress.clear();
  if (result.stopped) {
    progress.line(`Stopped and saved. Go on with:\n  ${resumeCommand(out)}`);
    throw new Interrupted();
  }
  const { environment, results, effect, paths } = result;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ environment, results }, null, 2)}\n`);
    return;
  }
  const { softmax, isomax } = effect;
  process.stdout.write(
    `${renderTable(results, { colour: supportsColour(process.stdout) })}

Over all unknown sets, IsoMax with its entropic score has a mean AUROC of ${percent(isomax.auroc)}, SoftMax with its maximum
probability ${percent(softmax.auroc)}: ${points(isomax.auroc - softmax.auroc)}. Accuracy on known images: ${percent(isomax.accuracy)} and ${percent(softmax.accuracy)}.

Results: ${paths.json}
Report:  ${paths.html}
`,
  );
}

function points(difference: number): string {
  return `${Math.abs(difference * 100).toFixed(1)} points ${difference < 0 ? 'less' : 'more'}`;
}

/** As it was started: by npm's script or by the command. */
function resumeCommand(out: string): string {
  const where = out === 'runs/quickstart' ? '' : ` --out ${out}`;
  return process.env.npm_lifecycle_event === 'quickstart'
    ? `npm run quickstart -- --resume${where}`
    : `isotorch quickstart --resume${where}`;
}
