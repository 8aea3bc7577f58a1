// `isotorch data`: which data sets are known, where they are on this machine, and how to get them.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { type DatasetName, dataSetNames } from '../../known/dataSets.js';
import { bytesInWords } from '../../sizes.js';
import { ProgressPrinter } from '../progress.js';

const help = `
A set is looked for in the folder that ISOTORCH_DATA names (in <name>/, in torchvision's layout, or in the
folder itself), in the cache (below ISOTORCH_HOME) and in Debian's system folder. Every file is recognised
by its checksum.

Examples:
  $ isotorch data
  $ isotorch data get fashion-mnist`;

export function dataCommand(): Command {
  const command = new Command('data')
    .description('List the data sets that are known by name, and fetch them.')
    .option('--json', 'print the list as JSON')
    .addHelpText('after', help)
    .action(list);
  command
    .command('get')
    .description('Fetch data sets into the cache, where they are not on this machine yet.')
    .addArgument(new Argument('<name...>', 'data sets').choices(dataSetNames))
    .addHelpText(
      'after',
      '\nExamples:\n  $ isotorch data get fashion-mnist\n  $ isotorch data get mnist kmnist notmnist',
    )
    .action(get);
  return command;
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { available } = await import('../../data/index.js');
  const sets = await Promise.all(
    (await available()).map(async (set) => ({ ...set, bytes: await bytesIn(set.train ?? set.test) })),
  );
  if (json) {
    process.stdout.write(`${JSON.stringify(sets, null, 2)}\n`);
    return;
  }
  for (const { name, title, licence, train, test, bytes } of sets) {
    const folder = train ?? test;
    const splits = train && test ? '' : train ? ' (training images only)' : ' (test images only)';
    const where = folder ? `${folder}${splits}, ${bytesInWords(bytes)}` : `not here: isotorch data get ${name}`;
    process.stdout.write(`${name.padEnd(14)}${title}; ${licence}\n${' '.repeat(14)}${where}\n`);
  }
}

async function get(names: DatasetName[]): Promise<void> {
  const { load } = await import('../../data/index.js');
  const progress = new ProgressPrinter();
  for (const name of names) {
    const { train, test } = await load(name, { log: (message) => progress.line(message) });
    process.stdout.write(
      `${name}: ${train.size.toLocaleString('en-US')} training and ${test.size.toLocaleString('en-US')} test images\n`,
    );
    train.dispose();
    test.dispose();
  }
}

/** Of a set's files in a folder; other files may lie there too. */
async function bytesIn(folder: string | null): Promise<number> {
  if (folder === null) return 0;
  const files = (await readdir(folder)).filter((name) => /-(images|labels)-idx\d|^digits\.csv|\.bin$/.test(name));
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
