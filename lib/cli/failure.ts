// How a command ends: the documented exit codes, and errors as people want them: what went wrong, the code to search for,
// and the next step. The stack is for whoever asks (--verbose, or ISOTORCH_DEBUG set).

import { types } from 'node:util';
import { CommanderError } from 'commander';
import { type ErrorCode, IsotorchError } from '../errors.js';
import { INTERRUPTED } from './interrupt.js';

export const exitCodes = { ok: 0, error: 1, usage: 2, interrupted: INTERRUPTED } as const;

/**
 * Thrown by a command that ends with another code than 0 and has said what there is to say, or has an error told that would
 * end it with another code.
 */
export class Failed extends Error {
  constructor(
    readonly exitCode: number,
    cause?: unknown,
  ) {
    super(`exit code ${exitCode}`, { cause });
  }
}

/** Thrown by a command that stopped on request. */
export class Interrupted extends Failed {
  constructor() {
    super(exitCodes.interrupted);
  }
}

const nextStep: Partial<Record<ErrorCode, string>> = {
  ERR_NATIVE_NOT_BUILT: 'Build the addon with `npm run setup`; `isotorch doctor` tells what is missing.',
  ERR_LIBTORCH_NOT_FOUND:
    'Run `npm run setup`, or set LIBTORCH to a folder that holds LibTorch; `isotorch doctor` tells where was looked.',
  ERR_LIBTORCH_VERSION: 'Run `isotorch doctor` to see which LibTorch was found, then `npm run setup` to build for it.',
  ERR_OUT_OF_MEMORY: 'Try a smaller --batch-size.',
  ERR_STATE_DICT: 'Check that --model, --loss and the file belong together.',
};

const locate = 'If the message does not help, --verbose shows where the error comes from.';

/** Prints what ended a command to `stderr` and returns the exit code. */
export function reportFailure(
  error: unknown,
  { verbose, stderr }: { verbose: boolean; stderr: NodeJS.WritableStream },
): number {
  if (error instanceof Failed) {
    if (error.cause !== undefined) reportFailure(error.cause, { verbose, stderr });
    return error.exitCode;
  }
  // Commander has printed its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof IsotorchError) {
    stderr.write(`isotorch: ${error.code}: ${error.message}\n`);
    if (nextStep[error.code]) stderr.write(`Next: ${nextStep[error.code]}\n`);
    else if (!verbose) stderr.write(`Next: ${locate}\n`);
  } else {
    stderr.write(`isotorch: ${types.isNativeError(error) ? error.message : String(error)}\n`);
    if (!verbose) stderr.write(`Next: ${locate}\n`);
  }
  if (verbose && types.isNativeError(error)) stderr.write(`${error.stack}\n${causes(error)}`);
  return exitCodes.error;
}

function causes(error: Error): string {
  const cause = error.cause;
  return types.isNativeError(cause) ? `Caused by: ${cause.stack}\n${causes(cause)}` : '';
}
