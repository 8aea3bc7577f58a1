// What jobs have made, kept in the folder `work`, each under its key in a file that appears whole or not at all and carries a
// hash of what it holds: whatever a kill or a full disk does, `get` gives what was put, or null.
//   arrays/  features and logits      fits/  what detectors have learnt      scores/  a number an image      rows/  figures

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { types } from 'node:util';
import { writeFileAtomically } from '../../checkpoint/atomicFile.js';
import { loadSafetensors, saveSafetensors } from '../../checkpoint/index.js';
import { fileError } from '../../checkpoint/source.js';
import { IsotorchError } from '../../errors.js';
import { ArrayCache, hashTensors } from '../../ood/index.js';
import { type Tensor, tidy, torch } from '../../tensor/index.js';
import type { Figures } from './measure.js';

type Tensors = ReadonlyMap<string, Tensor>;

export class Products {
  readonly arrays: ArrayCache;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.arrays = new ArrayCache(join(folder, 'arrays'));
  }

  /**
   * Those in a folder, made if it isn't there. What a killed process left behind is removed: nobody else may be using it.
   * @throws ERR_FILE
   */
  static async open(folder: string): Promise<Products> {
    try {
      for (const name of ['arrays', 'fits', 'scores', 'rows']) {
        const inside = join(folder, name);
        await mkdir(inside, { recursive: true });
        const left = (await readdir(inside)).filter((file) => file.endsWith('.tmp'));
        for (const file of left) await rm(join(inside, file), { force: true });
      }
    } catch (error) {
      throw fileError('write', folder, error);
    }
    return new Products(folder);
  }

  /** What a detector has learnt; the tensors are the caller's. */
  fit(key: string): Promise<Tensors | null> {
    return readTensors(this.#path('fits', key), key);
  }

  async putFit(key: string, state: Readonly<Record<string, Tensor>>): Promise<void> {
    await writeTensors(this.#path('fits', key), key, new Map(Object.entries(state)));
  }

  async scores(key: string): Promise<Float64Array | null> {
    const tensors = await readTensors(this.#path('scores', key), key);
    const scores = tensors?.get('scores')?.toArraySync();
    for (const tensor of tensors?.values() ?? []) tensor.dispose();
    return types.isFloat64Array(scores) ? scores : null;
  }

  async putScores(key: string, scores: Float64Array): Promise<void> {
    const path = this.#path('scores', key);
    using tensor = tidy(() => torch.fromBuffer(scores, { dtype: 'float64', shape: [scores.length] })).keep();
    await writeTensors(path, key, new Map([['scores', tensor]]));
  }

  async row(key: string): Promise<Figures | null> {
    const path = join(this.#folder, 'rows', `${key}.json`);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw fileError('read', path, error);
    });
    // The first line is the hash of the second.
    const [hash, body = ''] = text.split('\n');
    return hash === hashText(key, body) ? (JSON.parse(body) as Figures) : null;
  }

  async putRow(key: string, figures: Figures): Promise<void> {
    const body = JSON.stringify(figures);
    await writeText(join(this.#folder, 'rows', `${key}.json`), `${hashText(key, body)}\n${body}\n`);
  }

  #path(kind: 'fits' | 'scores', key: string): string {
    return join(this.#folder, kind, `${key}.safetensors`);
  }
}

/** Replaces a file at once. @throws ERR_FILE */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFileAtomically(path, (sink) => sink.write(Buffer.from(text)));
}

async function writeTensors(path: string, key: string, tensors: Tensors): Promise<void> {
  const metadata = { sha256: hashText(key, await hashTensors(tensors)) };
  await saveSafetensors(path, tensors, { metadata, shared: 'copy' });
}

/** Null for a file that isn't there, or isn't what was written. */
async function readTensors(path: string, key: string): Promise<Tensors | null> {
  try {
    const tensors = await loadSafetensors(path);
    if (tensors.metadata.get('sha256') === hashText(key, await hashTensors(tensors))) return tensors;
    for (const tensor of tensors.values()) tensor.dispose();
    return null;
  } catch (error) {
    if (!(error instanceof IsotorchError)) throw error;
    const missing = (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    if (missing || error.code === 'ERR_FORMAT' || error.code === 'ERR_DTYPE') return null;
    throw error;
  }
}

const hashText = (key: string, text: string): string =>
  createHash('sha256')
    .update(JSON.stringify([key, text]))
    .digest('hex');
