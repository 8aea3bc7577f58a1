// Tests that need something which may be missing (a Python, a data set, a browser) say what: `needs(have, 'what')` gives
// `it` and `describe` that skip without it, and `npm test` ends with the skipped tests grouped by the missing thing.
import { describe as suite, test } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** The missing thing that a test was skipped for. */
    needs?: string;
  }
}

/**
 * `const { it, describe } = needs(python, 'a Python that has torch');`
 * @param have what was found, if anything: falsy skips
 * @param what its name in a few words, as in "12 tests need <what>"
 */
export function needs(have: unknown, what: string) {
  const options = have ? {} : { skip: true, meta: { needs: what } };
  return {
    it: (name: string, body: () => unknown, timeout?: number) =>
      test(name, timeout === undefined ? options : { ...options, timeout }, async () => {
        await body();
      }),
    describe: (name: string, body: () => void) => suite(name, options, body),
  };
}
