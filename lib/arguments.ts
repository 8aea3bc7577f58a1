// Checks of what functions are given, worded once, for every room. Each returns the value. Nothing here loads LibTorch.

import { expected } from './errors.js';

/** `value` if it is a whole number from `least` to `most`. @throws ERR_ARGUMENT */
export function wholeNumber(value: unknown, name: string, least = 1, most = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
    throw expected(`a whole number ${range}`, name, value);
  }
  return value as number;
}

export function finite(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw expected('a finite number', name, value);
  return value;
}

export function positive(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value)))
    throw expected('a positive number', name, value);
  return value;
}

export function notNegative(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value >= 0 && Number.isFinite(value)))
    throw expected('a number of 0 or more', name, value);
  return value;
}

export function probability(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw expected('a number from 0 to 1', name, value);
  return value;
}

export function flag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw expected('a boolean', name, value);
  return value;
}

/** One of some words. */
export function oneOf<const T extends string>(words: readonly T[], value: unknown, name: string): T {
  if (!(words as readonly unknown[]).includes(value)) throw expected(`one of ${words.join(', ')}`, name, value);
  return value as T;
}
