// Reads plain objects and Maps alike, as either may come out of a file.

import { types } from 'node:util';

/** A field of such an object or Map. */
export function field(source: unknown, name: string | number): unknown {
  if (types.isMap(source)) return source.get(name) ?? source.get(String(name));
  return typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[name] : undefined;
}

/** What its fields hold. */
export function valuesOf(source: unknown): unknown[] {
  if (types.isMap(source)) return [...source.values()];
  return typeof source === 'object' && source !== null ? Object.values(source) : [];
}

/** The names of its fields. */
export function fieldsOf(source: unknown): string[] {
  if (types.isMap(source)) return [...source.keys()].map(String);
  return typeof source === 'object' && source !== null ? Object.keys(source) : [];
}
