// Things that were read or made once and may be needed again soon: data sets, arrays, fitted detectors. Kept up to a number of
// bytes, those used last; the rest is read again. Only `trim` frees, so that whoever works between two of its calls needn't
// care what else is asked for meanwhile.

export class Shelf<T extends Disposable> implements Disposable {
  readonly #items = new Map<string, T>();
  readonly #budget: number;
  readonly #bytesOf: (item: T) => number;

  constructor(budget: number, bytesOf: (item: T) => number) {
    this.#budget = budget;
    this.#bytesOf = bytesOf;
  }

  /** What is on the shelf, else what `make` gives, which then is, unless it is null. It stays the shelf's. */
  get(key: string, make: () => Promise<T>): Promise<T>;
  get(key: string, make: () => Promise<T | null>): Promise<T | null>;
  async get(key: string, make: () => Promise<T | null>): Promise<T | null> {
    const item = this.#items.get(key) ?? (await make());
    if (item === null) return null;
    this.#items.delete(key);
    this.#items.set(key, item);
    return item;
  }

  /** Frees what was used longest ago, until the rest is within the budget. */
  trim(budget = this.#budget): void {
    let bytes = 0;
    for (const [key, item] of [...this.#items].reverse()) {
      bytes += this.#bytesOf(item);
      if (bytes <= budget) continue;
      this.#items.delete(key);
      item[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.trim(-1);
  }
}
