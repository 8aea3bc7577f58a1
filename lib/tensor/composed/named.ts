// The arguments of a composed function by name: as with every operator, those by position first, then those of a plain
// object at the end.

import { IsotorchError } from '../../errors.js';
import { isOptions } from '../dispatch.js';
import type { Tensor } from '../tensor.js';

/** @throws ERR_OPERATOR for more arguments than there are names, for names that are none of them and for those given twice. */
export function named<Key extends string>(
  name: string,
  keys: readonly Key[],
  args: readonly unknown[],
  positional = keys.length,
): Partial<Record<Key, unknown>> {
  const last = args.at(-1);
  const options = isOptions(last) ? last : undefined;
  const count = options ? args.length - 1 : args.length;
  if (count > positional)
    throw refusal(
      name,
      `takes at most ${positional} arguments by position (${keys.slice(0, positional).join(', ')}) but received ${count}`,
    );
  const result: Partial<Record<Key, unknown>> = {};
  for (const [i, value] of args.slice(0, count).entries()) result[keys[i]!] = value;
  for (const [key, value] of Object.entries(options ?? {})) {
    const at = keys.indexOf(key as Key);
    if (at < 0) throw refusal(name, `has no argument ${key}; it has ${keys.join(', ')}`);
    if (at < count) throw refusal(name, `received ${key} twice`);
    result[key as Key] = value;
  }
  return result;
}

/** What a function of any number of tensors got: the tensors, one by one or as one array, and the options after them. */
export function tensorsFirst(args: readonly unknown[]): { tensors: readonly Tensor[]; rest: unknown[] } {
  const rest = isOptions(args.at(-1)) ? [args.at(-1)] : [];
  const given = args.slice(0, args.length - rest.length);
  return { tensors: given.length === 1 && Array.isArray(given[0]) ? given[0] : (given as Tensor[]), rest };
}

export const refusal = (name: string, why: string): IsotorchError =>
  new IsotorchError('ERR_OPERATOR', `${name} ${why}`, { operator: name });
