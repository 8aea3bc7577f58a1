// `isotorch doctor`: what was found on this machine, and the next step where something is wrong.

import { Command } from 'commander';
import { exitCodes, Failed } from '../failure.js';

const help = `
It looks for LibTorch in the order LIBTORCH, torch of the active Python, our own cache; loads the addon in
a process of its own; and tells versions, threads, devices and which libraries are mapped.
Exit code 0 when everything is in order, 1 when something is wrong.

Examples:
  $ isotorch doctor
  $ LIBTORCH=/opt/libtorch isotorch doctor --json`;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Examine this machine: is everything there that isotorch needs?')
    .option('--json', 'print the diagnosis as JSON')
    .addHelpText('after', help)
    .action(examine);
}

async function examine({ json }: { json?: boolean }): Promise<void> {
  const { diagnose, renderDiagnosis } = await import('../../doctor.js');
  const diagnosis = await diagnose();
  process.stdout.write(`${json ? JSON.stringify(diagnosis, null, 2) : renderDiagnosis(diagnosis)}\n`);
  if (diagnosis.problems.length > 0) throw new Failed(exitCodes.error);
}
