// The command line: eight commands, one way to print help, to fail and to end. Each command parses its arguments, calls a
// function of the library and prints; what it does can be done from TypeScript just as well.

import { Command } from 'commander';
import { packageVersion } from '../libtorch.js';
import { convertCommand } from './commands/convert.js';
import { dataCommand } from './commands/data.js';
import { doctorCommand } from './commands/doctor.js';
import { evaluateCommand } from './commands/evaluate.js';
import { inspectCommand } from './commands/inspect.js';
import { quickstartCommand } from './commands/quickstart.js';
import { scoreCommand } from './commands/score.js';
import { trainCommand } from './commands/train.js';
import { exitCodes, reportFailure } from './failure.js';

const about =
  "Train and use networks that know what they don't know: IsoMax losses and entropic out-of-distribution detection, on LibTorch.";

const epilogue = `
Begin with:
  $ isotorch doctor          is everything there?
  $ isotorch quickstart      SoftMax, IsoMax and IsoMax+ side by side, in a few minutes

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted (and saved); of score, as grep's:
0 all accepted, 1 some rejected, 2 error.
Errors show a code and what to do; --verbose, or ISOTORCH_DEBUG=1, adds the stack.`;

/** All commands. Anew for each run, since commander keeps what it parsed. */
export function makeProgram(): Command {
  const program = new Command('isotorch')
    .description(about)
    .version(packageVersion(), '-V, --version', "print isotorch's version")
    .option('--verbose', 'with an error, print its stack')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand('help [command]', 'the same')
    .showHelpAfterError('Next: `isotorch help <command>` explains its options.')
    .addHelpText('after', epilogue);
  const commands = [quickstartCommand, trainCommand, evaluateCommand, scoreCommand, inspectCommand, convertCommand];
  for (const make of [...commands, dataCommand, doctorCommand]) program.addCommand(make());
  inherit(program);
  return program;
}

/** Runs a command line, without the program's name. Returns the exit code. */
export async function run(argv: readonly string[]): Promise<number> {
  // `isotorch data | head` closes the pipe early; nobody is left to tell.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode ?? exitCodes.ok);
  });
  const program = makeProgram();
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const verbose = Boolean(program.opts<{ verbose?: boolean }>().verbose || process.env.ISOTORCH_DEBUG);
    return reportFailure(error, { verbose, stderr: process.stderr });
  }
}

/** Makes all commands throw where commander would end the process, and speak alike. */
function inherit(command: Command): void {
  command.exitOverride();
  for (const inner of command.commands) inherit(inner.copyInheritedSettings(command));
}
