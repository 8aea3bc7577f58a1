// The arrays of a network that isn't there: files that some program has written, read as they are. Nothing is kept of them but
// what follows from them.

import { loadNpz, loadSafetensors } from '../../checkpoint/index.js';
import { openSource } from '../../checkpoint/source.js';
import { IsotorchError } from '../../errors.js';
import { affineHead, hashFile, type ReadArrays, readArrays } from '../../ood/index.js';
import type { ArrayFile } from '../manifest/types.js';
import type { PlannedSet } from '../plan.js';
import type { NetworkArrays } from './extraction.js';
import { keyOf } from './keys.js';

export class ArrayFiles implements NetworkArrays {
  readonly #head: string | null;

  /** @param head the file with the last layer's weight and bias; null for none */
  constructor(head: string | null) {
    this.#head = head;
  }

  async key({ from }: PlannedSet): Promise<string> {
    return keyOf('arrays', await hashFile((from as ArrayFile).path), this.#head && (await hashFile(this.#head)));
  }

  async find(_key: string, { from, name }: PlannedSet): Promise<ReadArrays> {
    const arrays = await readArrays((from as ArrayFile).path, { name });
    if (this.#head === null) return arrays;
    try {
      const { weight, bias } = await readHead(this.#head);
      const dispose = () => {
        arrays[Symbol.dispose]();
        weight.dispose();
        bias?.dispose();
      };
      return { ...arrays, head: affineHead(weight, bias), [Symbol.dispose]: dispose };
    } catch (error) {
      arrays[Symbol.dispose]();
      throw error;
    }
  }

  /** They are there. */
  async make(): Promise<void> {}
}

async function readHead(path: string) {
  const source = await openSource(path);
  const start = Buffer.from(await source.readRange(0, Math.min(2, source.size))).toString();
  await source.close();
  const tensors = start === 'PK' ? await loadNpz(path) : await loadSafetensors(path);
  const [weight, bias = null] = [tensors.get('weight'), tensors.get('bias')];
  for (const tensor of tensors.values()) if (tensor !== weight && tensor !== bias) tensor.dispose();
  if (weight === undefined)
    throw new IsotorchError('ERR_FORMAT', `${path}: expected an array \`weight\` but it has none`);
  return { weight, bias };
}
