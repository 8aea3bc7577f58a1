// Pickles put together by hand, opcode by opcode, and what comes of reading them.

import { expect } from 'vitest';
import { op } from '../../lib/checkpoint/pickle/opcodes.js';
import { unpickle } from '../../lib/checkpoint/pickle/reader.js';
import { IsotorchError } from '../../lib/errors.js';
import { bytes } from './checkpoints.js';

export const load = (data: Uint8Array, memory?: number) =>
  unpickle(data, { where: 'test', ...(memory === undefined ? {} : { memory }) });
export const proto = bytes(op.PROTO, 2);
export const global = (module: string, name: string) => bytes('c', module, '\n', name, '\n');
export const program = (...parts: (string | number | Uint8Array)[]) => bytes(proto, ...parts, '.');

/** The message with which a pickle is refused. */
export function failure(data: Uint8Array): string {
  try {
    load(data);
  } catch (error) {
    expect(error).toBeInstanceOf(IsotorchError);
    expect(error).toMatchObject({ code: 'ERR_FORMAT' });
    return (error as Error).message;
  }
  throw new Error('it was read');
}
