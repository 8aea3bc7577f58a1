// Runs the command `isotorch` from its sources, as a person would: a process with arguments, output and an exit code.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));

export interface Ended {
  /** As a shell reports it: 128 and the signal's number where a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  /** On top of this process' environment; undefined removes. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Called with all of standard error so far whenever some of it comes. */
  onError?: (stderr: string, child: ChildProcessWithoutNullStreams) => void;
  /** The same for standard output. */
  onOutput?: (stdout: string, child: ChildProcessWithoutNullStreams) => void;
  /** Called at the start; its standard input then stays open. */
  onStart?: (child: ChildProcessWithoutNullStreams) => void;
}

/** Starts `isotorch …` and waits for its end. */
export async function isotorch(
  args: readonly string[],
  { cwd, env, onError, onOutput, onStart }: CliOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ISOTORCH_DEBUG: undefined, ...env },
  });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    ended.stdout += chunk;
    onOutput?.(ended.stdout, child);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    ended.stderr += chunk;
    onError?.(ended.stderr, child);
  });
  if (onStart) onStart(child);
  else child.stdin.end();
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { ...ended, code: signal ? 128 + constants.signals[signal] : code };
}
