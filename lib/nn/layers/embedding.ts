// Tables of vectors that are learnt: for each number its row.

import { expected, IsotorchError } from '../../errors.js';
import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { bare, flag, float, integer, made, orNull, positive, read, show, unusual, whole } from '../fields.js';
import * as F from '../functional/embedding.js';
import { normal_ } from '../init.js';
import { Module } from '../module.js';

export interface EmbeddingLayerOptions extends F.EmbeddingOptions, FactoryOptions {}

/** A row of a table, from the end if negative. */
export function rowOf(index: number | null, rows: number): number | null {
  if (index === null) return null;
  if (index >= rows || index < -rows) throw expected(`a row of the ${rows}`, 'paddingIdx', index);
  return index < 0 ? rows + index : index;
}

/** N(0, 1) for all rows but the padding's, which is 0. */
export function firstRows(rows: number, columns: number, padding: number | null, kind: FactoryOptions): Parameter {
  const weight = new Parameter(torch.empty([rows, columns], kind));
  normal_(weight);
  if (padding !== null) torch.noGrad(() => void weight.select(0, padding).zero_());
  return weight;
}

/** A table that is given instead of a new one. */
export function givenRows(table: Tensor): [rows: number, columns: number] {
  const { shape } = table;
  if (shape.length === 2) return shape as [number, number];
  throw new IsotorchError('ERR_SHAPE', `Expected a table of shape [rows, columns] but received [${shape.join(', ')}]`);
}

/** What both kinds of tables print. */
export const tableFields = {
  numEmbeddings: bare(whole()),
  embeddingDim: bare(whole()),
};

const fields = {
  ...tableFields,
  paddingIdx: unusual(orNull(integer())),
  maxNorm: unusual(orNull(positive())),
  normType: unusual(float(2)),
  scaleGradByFreq: unusual(flag(false)),
  sparse: unusual(flag(false)),
};

/**
 * The rows that numbers name (`torch.nn.Embedding`): [*] of int64 or int32 → [*, embeddingDim].
 *
 * State: `weight` [numEmbeddings, embeddingDim], N(0, 1) at first, the row of `paddingIdx` 0.
 * @example new nn.Embedding(1000, 64, { paddingIdx: 0 }).forward(torch.tensor([[5, 7, 0]])).shape; // [1, 3, 64]
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly maxNorm: number | null;
  readonly normType: number;
  readonly scaleGradByFreq: boolean;
  readonly sparse: boolean;
  weight: Parameter;

  constructor(...args: [numEmbeddings: number, embeddingDim: number, options?: EmbeddingLayerOptions]) {
    super();
    const { device, dtype, ...settings } = read(new.target.name, { ...fields, ...made }, args);
    this.numEmbeddings = settings.numEmbeddings;
    this.embeddingDim = settings.embeddingDim;
    this.paddingIdx = rowOf(settings.paddingIdx, settings.numEmbeddings);
    this.maxNorm = settings.maxNorm;
    this.normType = settings.normType;
    this.scaleGradByFreq = settings.scaleGradByFreq;
    this.sparse = settings.sparse;
    this.weight = firstRows(this.numEmbeddings, this.embeddingDim, this.paddingIdx, factory({ device, dtype }));
  }

  /**
   * A layer with the table that is given (`Embedding.from_pretrained`), which it shares.
   * @param options.freeze whether it stays as it is in training. @default true
   */
  static fromPretrained(
    embeddings: Tensor,
    { freeze = true, ...options }: F.EmbeddingOptions & { freeze?: boolean } = {},
  ): Embedding {
    const layer = new Embedding(...givenRows(embeddings), { ...options, device: 'meta' });
    layer.weight = new Parameter(embeddings, !freeze);
    return layer;
  }

  override forward(input: Tensor): Tensor {
    return F.embedding(input, this.weight, this);
  }

  override extraRepr(): string {
    return show(fields, this);
  }
}
