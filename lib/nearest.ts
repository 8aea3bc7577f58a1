// “Did you mean …?”: the nearest of the words that would have been right, if it is near enough to be a slip.

/**
 * The word of `known` that differs least from `word`; null where none is near. Case, `-`, `_` and spaces don't
 * count, and a part of a word is near to it.
 * @example nearest('wieghts', ['weights', 'model']); // 'weights'
 */
export function nearest(word: string, known: Iterable<string>): string | null {
  const plain = simplify(word);
  if (plain === '' || plain.length > 64) return null;
  let best: string | null = null;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const candidate of known) {
    const other = simplify(candidate);
    const part = Math.min(plain.length, other.length) > 2 && (other.includes(plain) || plain.includes(other));
    const distance = part && plain !== other ? 1 : editDistance(plain, other);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** `Did you mean x?` for the nearest word, else null. */
export function didYouMean(word: string, known: Iterable<string>): string | null {
  const meant = nearest(word, known);
  return meant === null ? null : `Did you mean \`${meant}\`?`;
}

const simplify = (word: string): string =>
  word
    .toLowerCase()
    .replace(/\+/g, 'plus')
    .replace(/[-_\s]/g, '');

/** Insertions, deletions, replacements and swaps of neighbours (Damerau; optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
