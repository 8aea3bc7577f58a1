// Every error that isotorch throws: a stable `code` for programs, a message that names what was expected,
// what came and what to do for people. Native errors are built from this class too (see native/errors.cc).

import { printableLines } from './printable.js';

export type ErrorCode =
  | 'ERR_ARGUMENT' // a value of the wrong type or out of its range
  | 'ERR_SHAPE' // sizes that do not fit together
  | 'ERR_DTYPE'
  | 'ERR_DEVICE'
  | 'ERR_INDEX' // an index or class label outside its dimension
  | 'ERR_TENSOR_DISPOSED'
  | 'ERR_OPERATOR' // no such operator, or none of its overloads takes these arguments
  | 'ERR_AUTOGRAD'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_LIBTORCH' // anything else that LibTorch refused
  | 'ERR_LIBTORCH_NOT_FOUND'
  | 'ERR_LIBTORCH_VERSION'
  | 'ERR_NATIVE_NOT_BUILT'
  | 'ERR_STATE_DICT'
  | 'ERR_FILE' // missing, unreadable, unwritable
  | 'ERR_FORMAT' // a file that is not what its name says, or is cut off
  | 'ERR_DATA' // labels, pixels or scores with values that can't be right
  | 'ERR_ABORTED'
  | 'ERR_CAPTURE' // what a captured step can't do
  | 'ERR_SCRIPT'; // what a TorchScript or compiled model raised

export interface ErrorDetails {
  /** The operator that was called, such as `aten::linear`. */
  operator?: string;
  /** Its schema, in PyTorch's notation. */
  schema?: string;
  /** LibTorch's own C++ backtrace, where it gave one. */
  backtrace?: string;
  /** How many steps were done before a captured step's `repeat` was cancelled. */
  steps?: number;
  cause?: unknown;
}

export class IsotorchError extends Error {
  readonly code: ErrorCode;
  declare readonly operator?: string;
  declare readonly schema?: string;
  declare readonly backtrace?: string;
  declare readonly steps?: number;

  constructor(code: ErrorCode, message: string, { cause, ...details }: ErrorDetails = {}) {
    super(printableLines(message), cause === undefined ? undefined : { cause });
    this.code = code;
    Object.assign(this, details);
  }

  override get name(): string {
    return `IsotorchError [${this.code}]`;
  }
}

/** `what` in a few words, for messages: `integer 5`, `string "abc"`, `array of 3`, `Float32Array of 10`, `Tensor`. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string')
    return `string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value)}`;
  if (typeof value === 'number') return Number.isInteger(value) ? `integer ${value}` : `number ${value}`;
  if (typeof value === 'bigint') return `bigint ${value}`;
  if (typeof value === 'boolean') return `boolean ${value}`;
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (typeof value === 'symbol') return 'symbol';
  if (Array.isArray(value)) return `array of ${value.length}`;
  const name = value.constructor?.name ?? 'object';
  return ArrayBuffer.isView(value) && 'length' in value ? `${name} of ${value.length}` : name;
}

/** The one wording for a wrong argument: "Expected <what> for <name> but received <value>". */
export function expected(
  what: string,
  name: string,
  received: unknown,
  code: ErrorCode = 'ERR_ARGUMENT',
): IsotorchError {
  return new IsotorchError(code, `Expected ${what} for ${name} but received ${describe(received)}`);
}
