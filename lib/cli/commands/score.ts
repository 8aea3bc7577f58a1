// `isotorch score`: accepts or rejects images, or arrays, and says why: a JSON line for each on standard output. Its exit codes
// are those of grep and diff, so that scripts can branch: 0 all accepted, 1 some rejected, 2 trouble.

import { once } from 'node:events';
import { Command, Option } from 'commander';
import { type LossName, lossNames } from '../../known/losses.js';
import { type ModelName, modelNames } from '../../known/models.js';
import type { Guarded } from '../../training/guard.js';
import { detector, share, whole } from '../arguments.js';
import { exitCodes, Failed, Interrupted } from '../failure.js';
import { batched, pathsOf } from '../inputs.js';
import { listenForInterrupt } from '../interrupt.js';

interface ScoreFlags {
  guard?: string;
  weights?: string;
  model: ModelName;
  loss: LossName;
  checkpoint: 'last' | 'best';
  accept?: number;
  score?: string;
  refit?: boolean;
  batchSize: number;
  device?: string;
}

/** @see exitCodes: here 1 is a result, so errors have the code of wrong usage. */
const codes = { accepted: exitCodes.ok, rejected: 1, trouble: exitCodes.usage } as const;

const help = `
One JSON line an image, in order, as soon as its batch is done:
  {"file":"a.png","label":"horse","probability":0.31,"score":-2.21,"accepted":false,"why":"entropy above …"}
A file that can't be read gets such a line too, with null for what is not known and an "error"; it is
not accepted, and the others go on.

Files are images (PNG, made to fit the network in size and channels), IDX images, and safetensors with
"logits" [N, C] or "features" [N, D]; of the last two each line has a "row". "-" reads paths from
standard input, one a line.

A run's threshold is in guard.safetensors of its directory; where there is none yet, it is fitted on the
images that the training held out, for the score that goes with the loss, or any of --score: mahalanobis,
energy+react, odin and all others of docs/detectors.md; what has to learn learns from the run's training
images. Without a run, --guard names the file, and --weights the network's weights unless all files are
arrays.

Exit codes: 0 all accepted, 1 some rejected, 2 error (wrong usage, a file that can't be read, an output that
was closed early), 130 interrupted.

Examples:
  $ isotorch score runs/fashion photo.png
  $ find inbox -name '*.png' | isotorch score runs/fashion - > verdicts.jsonl
  $ isotorch score --guard guard.safetensors logits.safetensors && echo all known`;

export function scoreCommand(): Command {
  return new Command('score')
    .description('Accept or reject new images, and say why, as JSON lines.')
    .argument(
      '<run or files...>',
      'run directory (unless --guard is given), then files; - for a list on standard input',
    )
    .option('--guard <file>', 'a guard that was saved, instead of a run')
    .option('--weights <file>', 'with --guard: a state dict, to judge images')
    .addOption(new Option('--model <name>', 'with --weights: network').choices(modelNames).default('convnet'))
    .addOption(new Option('--loss <name>', 'with --weights: loss').choices(lossNames).default('isomax'))
    .addOption(new Option('--checkpoint <name>', 'which weights of the run').choices(['last', 'best']).default('last'))
    .option('--accept <share>', "share of known images to accept, when a run's guard is fitted (default: 0.95)", share)
    .option('--score <name>', "detector, when a run's guard is fitted (default: the loss's)", detector)
    .option('--refit', "fit the run's guard anew")
    .option('--batch-size <n>', 'images judged at a time', whole(1), 64)
    .option('--device <name>', 'cpu, cuda, cuda:1, … (default: the accelerator, else cpu)')
    .addHelpText('after', help)
    .action(score);
}

async function score(words: string[], flags: ScoreFlags, command: Command): Promise<void> {
  const wrong = (message: string): never => command.error(`error: ${message}`, { exitCode: codes.trouble });
  const { guard, weights, model, loss, checkpoint, refit, accept } = flags;
  if (guard === undefined && weights !== undefined) wrong('--weights goes with --guard');
  if (guard !== undefined && (refit || accept !== undefined || flags.score !== undefined))
    wrong('--refit, --accept and --score fit the guard of a run; the one of --guard is as it is');
  const [run, ...rest] = words as [string, ...string[]];
  const files = guard === undefined ? rest : words;
  if (files.length === 0) wrong('name files to judge, or - to read their names from standard input');
  const guarded: Guarded =
    guard === undefined
      ? { run, checkpoint }
      : { guard, network: weights === undefined ? undefined : { weights, model, loss } };

  process.exitCode = codes.trouble; // of a process that ends before it has judged everything, as on a closed pipe
  const signal = listenForInterrupt(() =>
    process.stderr.write('Stopping after this batch; Ctrl-C again ends at once.\n'),
  );
  let worst: number = codes.accepted;
  try {
    const { openGuard } = await import('../../training/guard.js');
    const { Judge } = await import('../judge.js');
    const device = flags.device as 'cpu' | undefined;
    using opened = await openGuard(guarded, {
      ...{ accept, refit, device, score: flags.score },
      log: (message) => process.stderr.write(`${message}\n`),
    });
    const judge = new Judge(opened, device);
    for await (const paths of batched(pathsOf(files, signal), flags.batchSize)) {
      for await (const lines of judge.lines(paths, flags.batchSize)) {
        for (const { error, accepted } of lines)
          worst = Math.max(worst, error ? codes.trouble : accepted ? codes.accepted : codes.rejected);
        const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
        // A reader that is slower than we are must not fill the memory.
        if (!process.stdout.write(text)) await once(process.stdout, 'drain');
        if (signal.aborted) break;
      }
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) throw new Failed(codes.trouble, error);
  }
  if (signal.aborted) throw new Interrupted();
  if (worst !== codes.accepted) throw new Failed(worst);
}
