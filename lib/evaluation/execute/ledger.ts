// Which jobs have ended in an error, and which fell with them because they needed their products.

import type { Failure } from '../../report/index.js';
import type { Job } from '../plan.js';

export class Ledger {
  /** The first error, as it was thrown. */
  first: unknown;
  /** From a job to the one whose error it fell to, which may be itself. */
  readonly #fallen = new Map<string, string>();
  readonly #errors = new Map<string, { code: string; message: string }>();
  readonly #rows = new Map<string, number>();

  /** Whether this job can't be done, itself or for want of what it needs; a row that is lost by that is counted once. */
  falls({ id, kind, needs }: Job): boolean {
    if (this.#fallen.has(id)) return true;
    const need = needs.find((each) => this.#fallen.has(each));
    if (need === undefined) return false;
    const cause = this.#fallen.get(need)!;
    this.#fallen.set(id, cause);
    if (kind === 'measure') this.#count(cause);
    return true;
  }

  /** Notes a job's own error. */
  fail({ id, kind }: Job, error: unknown): void {
    this.first ??= error;
    const { code, name, message } = error as Error & { code?: unknown };
    this.#fallen.set(id, id);
    this.#errors.set(id, { code: typeof code === 'string' ? code : name, message });
    if (kind === 'measure') this.#count(id);
  }

  get failures(): Failure[] {
    return [...this.#errors].map(([job, error]) => ({ job, ...error, rows: this.#rows.get(job) ?? 0 }));
  }

  #count(cause: string): void {
    this.#rows.set(cause, (this.#rows.get(cause) ?? 0) + 1);
  }
}
