// Files to lines of verdicts: images are decoded side by side and judged together, arrays and IDX files in pieces.

import { openSafetensors } from '../checkpoint/index.js';
import { asLike, fromIdx, ImageDataset, readPng } from '../data/index.js';
import { IsotorchError } from '../errors.js';
import * as ood from '../ood/index.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';

/** A line of `isotorch score`, in the order of its keys. */
export interface Line {
  readonly file: string;
  /** Which image of the file, where it may hold several. */
  readonly row?: number;
  readonly label: string | null;
  readonly probability: number | null;
  /** null where it is no finite number. */
  readonly score: number | null;
  readonly accepted: boolean;
  readonly why: string;
  /** The code of what went wrong with the file. */
  readonly error?: string;
}

type Kind = 'arrays' | 'idx' | 'image';

export class Judge {
  readonly #guard: ood.Guard;
  /** One image of the size and channels that the network knows, on its device. */
  readonly #like: ImageDataset | undefined;

  constructor(guard: ood.Guard, device: Device = torch.accelerator() ?? 'cpu') {
    this.#guard = guard;
    if (!guard.imageShape) return;
    const images = tidy(() => torch.zeros([1, ...guard.imageShape!], { dtype: 'uint8', device }));
    this.#like = new ImageDataset({ images, labels: null });
  }

  /** The lines for some files, in order; each array of them as soon as it is known. */
  async *lines(paths: readonly string[], batchSize: number): AsyncGenerator<Line[]> {
    for (let i = 0; i < paths.length; ) {
      const kind = kindOf(paths[i]!);
      if (kind === 'image') {
        let end = i + 1;
        while (end < paths.length && kindOf(paths[end]!) === 'image') end++;
        yield await this.#images(paths.slice(i, end));
        i = end;
        continue;
      }
      const file = paths[i++]!;
      try {
        yield* kind === 'arrays' ? this.#arrays(file) : this.#idx(file, batchSize);
      } catch (error) {
        yield [failed(file, error)];
      }
    }
  }

  async #images(paths: readonly string[]): Promise<Line[]> {
    const decoded = await Promise.allSettled(paths.map((path) => this.#fitted(path)));
    const good = decoded.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    try {
      const verdicts = good.length > 0 ? await this.#judge(good) : [];
      let next = 0;
      return decoded.map((each, i) =>
        each.status === 'fulfilled' ? line(paths[i]!, verdicts[next++]!) : failed(paths[i]!, each.reason),
      );
    } finally {
      for (const image of good) image.dispose();
    }
  }

  async #judge(images: readonly Tensor[]): Promise<ood.Verdict[]> {
    using batch = tidy(() => torch.cat([...images], 0)).keep();
    return await this.#guard.judge(batch);
  }

  /** uint8 [1, channels, height, width] as the network knows them. */
  async #fitted(path: string): Promise<Tensor> {
    const like = this.#needLike();
    const { pixels, channels, height, width } = await readPng(path);
    using image = ImageDataset.fromArrays({ images: pixels, shape: [1, channels, height, width], name: path });
    return asLike(image, like).images;
  }

  async *#idx(file: string, batchSize: number): AsyncGenerator<Line[]> {
    const like = this.#needLike();
    using set = await fromIdx({ images: file });
    for (let start = 0; start < set.size; start += batchSize) {
      const rows = Int32Array.from({ length: Math.min(batchSize, set.size - start) }, (_, i) => start + i);
      using part = set.subset(rows);
      using fitted = asLike(part, like);
      yield (await this.#guard.judge(fitted.images)).map((verdict, i) => line(file, verdict, start + i));
    }
  }

  async *#arrays(file: string): AsyncGenerator<Line[]> {
    await using opened = await openSafetensors(file);
    const names = (['logits', 'features'] as const).filter((name) => opened.keys.includes(name));
    if (names.length === 0)
      throw new IsotorchError(
        'ERR_DATA',
        `${file}: expected tensors logits [N, C] or features [N, D], it has ${opened.keys.slice(0, 5).join(', ')}`,
      );
    const rows = opened.info(names[0]!).shape[0] ?? 0;
    for (let start = 0; start < rows; start += ood.CHUNK) {
      const parts: Partial<Record<'logits' | 'features', Tensor>> = {};
      try {
        for (const name of names) parts[name] = await opened.slice(name, start, Math.min(start + ood.CHUNK, rows));
        const verdicts = await this.#guard.judgeArrays(ood.arrays({ name: file, ...parts }));
        yield verdicts.map((verdict, i) => line(file, verdict, start + i));
      } finally {
        for (const tensor of Object.values(parts)) tensor.dispose();
      }
    }
  }

  #needLike(): ImageDataset {
    if (this.#like) return this.#like;
    throw new IsotorchError(
      'ERR_ARGUMENT',
      'This guard judges arrays only: it was fitted on arrays, or to images of unknown size',
    );
  }
}

function kindOf(path: string): Kind {
  if (path.endsWith('.safetensors')) return 'arrays';
  return /(\.idx|[-.]idx\d(-ubyte)?|-ubyte)(\.gz)?$/.test(path) ? 'idx' : 'image';
}

function line(file: string, { score, ...verdict }: ood.Verdict, row?: number): Line {
  const { label, probability, accepted, why } = verdict;
  return {
    file,
    ...(row !== undefined && { row }),
    label,
    probability: Number.isFinite(probability) ? probability : null,
    score: Number.isFinite(score) ? score : null,
    accepted,
    why,
  };
}

function failed(file: string, error: unknown): Line {
  if (!(error instanceof IsotorchError)) throw error;
  return { file, label: null, probability: null, score: null, accepted: false, why: error.message, error: error.code };
}
