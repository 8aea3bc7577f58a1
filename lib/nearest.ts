// The word that somebody probably meant: for messages about names that don't exist.

/**
 * The one of `words` that is the fewest insertions, deletions and replacements of letters away from `word`; undefined when
 * even that one is further than a third of its length, rounded up.
 * @example nearest('temprature', ['temperature', 'percentile']); // 'temperature'
 */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let [best, fewest]: [string | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
  for (const candidate of words) {
    const most = Math.ceil(candidate.length / 3);
    // Longer words differ by more than that anyway, and a hostile one would cost time.
    if (Math.abs(candidate.length - word.length) > most) continue;
    const edits = editsBetween(word.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest && edits <= most) [best, fewest] = [candidate, edits];
  }
  return best;
}

/** Levenshtein's distance, row by row of the usual table. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[to.length]!;
}
