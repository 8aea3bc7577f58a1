// Tells plain objects from instances of classes, whichever realm made them: an object of a vm context or of a test runner
// has an Object.prototype of its own.

/** Whether `value` is what `{}`, JSON.parse or Object.create(null) make. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // The first comparison is the second's fast case.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}
