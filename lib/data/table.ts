// Tables: rows of numbers, a column each, with what is to be told of each row. From CSV files and NumPy's. What columns are
// standardised with is measured on the rows of the set itself, so that a training part knows nothing of the held-out one.

import { readFile } from 'node:fs/promises';
import { loadNpy } from '../checkpoint/index.js';
import { expected, IsotorchError } from '../errors.js';
import type { Statistics } from '../known/statistics.js';
import { type Device, isFloating, type Tensor, tidy, torch } from '../tensor/index.js';
import { type CsvTable, parseCsv } from './csv.js';
import { TensorDataset, type TensorDatasetInit } from './dataset.js';

export interface TableInit<Labels extends Tensor | null> extends TensorDatasetInit<Labels> {
  /** Their names. @default '0', '1', … */
  columns?: readonly string[];
}

/** A data set of rows: inputs float32 [N, columns]. */
export class TableDataset<Labels extends Tensor | null = Tensor | null> extends TensorDataset<Labels> {
  readonly columns: readonly string[];
  #statistics: Statistics | undefined;

  /** @throws ERR_SHAPE, ERR_DTYPE unless inputs are float32 [N, columns]; ERR_DATA for a value that is not finite; what TensorDataset throws */
  constructor({ columns, ...init }: TableInit<Labels>) {
    const { inputs, name = 'table' } = init;
    if (inputs.dtype !== 'float32')
      throw new IsotorchError('ERR_DTYPE', `${name}: expected inputs of float32, received ${inputs.dtype}`);
    if (inputs.ndim !== 2 || (columns && columns.length !== inputs.shape[1]))
      throw new IsotorchError(
        'ERR_SHAPE',
        `${name}: expected inputs [N, ${columns?.length ?? 'columns'}], received [${inputs.shape.join(', ')}]`,
      );
    if (!tidy(() => inputs.isfinite().all().item()))
      throw new IsotorchError('ERR_DATA', `${name}: expected finite numbers; some are NaN or infinite`);
    super({ ...init, name }, 'row');
    this.columns = Object.freeze(
      columns ? [...columns] : Array.from({ length: inputs.shape[1]! }, (_, i) => String(i)),
    );
  }

  /** Mean and (population) deviation of each column over the rows of this set; 1 for a column that is the same everywhere. */
  get statistics(): Statistics {
    this.#statistics ??= tidy(() => {
      const inputs = this.inputs.to('cpu').to('float64');
      const std = inputs.std(0, { correction: 0 });
      return {
        mean: Array.from(inputs.mean(0).toArraySync(), Number),
        std: Array.from(torch.where(std.gt(0), std, torch.onesLike(std)).toArraySync(), Number),
      };
    });
    return this.#statistics;
  }

  protected override make(init: TensorDatasetInit<Labels>): TableDataset<Labels> {
    return new TableDataset({ ...init, columns: this.columns });
  }
}

export interface CsvOptions {
  /** The column to be told. @default none: no labels */
  target?: string;
  /** The columns that are given. @default all but the target */
  columns?: readonly string[];
  /** Whether the target is a class or a number. @default 'values' where every entry is a number, else 'classes' */
  labelsAre?: 'classes' | 'values';
  /** The classes' entries in the column, in the order of their labels. @default all that occur, sorted */
  classes?: readonly string[];
  /** @default ',' */
  delimiter?: string;
  /** @default the path */
  name?: string;
  /** @default 'cpu' */
  device?: Device;
}

/**
 * A table from a CSV file whose first row names the columns. Numbers to be told become labels float32 [N, 1], classes int64 [N].
 * @throws ERR_FILE for a file that can't be read; ERR_FORMAT for one that is no CSV; ERR_ARGUMENT for a column that is not there; ERR_DATA
 *   for an entry that is no finite number, or no class, with line and column
 * @example
 * const table = await data.fromCsv('houses.csv', { target: 'price' });
 * const [train, validation] = table.split(0.9);
 */
export async function fromCsv(path: string, options: CsvOptions & { target: string }): Promise<TableDataset<Tensor>>;
export async function fromCsv(path: string, options?: CsvOptions): Promise<TableDataset>;
export async function fromCsv(path: string, options: CsvOptions = {}): Promise<TableDataset> {
  const { target, delimiter = ',', name = path, device = 'cpu' } = options;
  if (typeof delimiter !== 'string' || !/^[^"\r\n]$/.test(delimiter))
    throw expected('one character', 'delimiter', delimiter);
  const table = parseCsv(await readText(path), name, delimiter);
  const places = (options.columns ?? table.header.filter((column) => column !== target)).map((column) =>
    placeOf(column, table, 'columns'),
  );
  const columns = places.map((place) => table.header[place]!);
  const rows = table.rows.length;
  const values = Float32Array.from({ length: rows * places.length }, (_, i) =>
    numberAt(table, Math.floor(i / places.length), places[i % places.length]!, name),
  );
  const told = target === undefined ? undefined : targetOf(table, placeOf(target, table, 'target'), options, name);
  return tidy(() => {
    const inputs = torch.fromBuffer(values, { dtype: 'float32', shape: [rows, places.length], device });
    const labels = told === undefined ? null : told.values.to(device);
    return new TableDataset({
      inputs,
      labels,
      columns,
      name,
      ...(told && { labelsAre: told.labelsAre }),
      ...(told?.classes && { classes: told.classes }),
    });
  });
}

/**
 * A table from files of `np.save`: inputs [N, columns] of any number type, labels [N] or [N, …], classes where they are integers.
 * @throws ERR_FILE, ERR_FORMAT for a file that can't be read or is no .npy; what TableDataset throws
 * @example const set = await data.tableFromNpy({ inputs: 'x.npy', labels: 'y.npy' });
 */
export async function tableFromNpy({
  inputs,
  labels,
  labelsAre,
  device = 'cpu',
  ...rest
}: {
  inputs: string;
  labels?: string;
  labelsAre?: 'classes' | 'values';
  columns?: readonly string[];
  classes?: readonly string[];
  /** @default the inputs' path */
  name?: string;
  device?: Device;
}): Promise<TableDataset> {
  using numbers = await loadNpy(inputs);
  using told = labels === undefined ? undefined : await loadNpy(labels);
  const kind = labelsAre ?? (told && isFloating(told.dtype) ? 'values' : 'classes');
  return tidy(() => {
    const copied = numbers.to({ dtype: 'float32', copy: true }).to(device);
    const dtype = kind === 'classes' ? 'int64' : 'float32';
    const given = told?.to({ dtype, copy: true }).to(device) ?? null;
    const column = given && kind === 'values' && given.ndim === 1 ? given.unsqueeze(1) : given;
    return new TableDataset({ ...rest, inputs: copied, labels: column, labelsAre: kind, name: rest.name ?? inputs });
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new IsotorchError('ERR_FILE', `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function placeOf(column: string, { header }: CsvTable, option: string): number {
  const place = header.indexOf(column);
  if (place < 0) throw expected(`one of the columns ${header.join(', ')}`, option, column);
  return place;
}

const isNumber = (entry: string): boolean => entry.trim() !== '' && Number.isFinite(Number(entry));

function numberAt(table: CsvTable, row: number, place: number, name: string): number {
  const entry = table.rows[row]![place]!;
  if (isNumber(entry)) return Number(entry);
  throw badEntry(table, row, place, name, 'expected a finite number');
}

function badEntry({ rows, header, lines }: CsvTable, row: number, place: number, name: string, problem: string) {
  const what = JSON.stringify(rows[row]![place]);
  return new IsotorchError(
    'ERR_DATA',
    `${name}, line ${lines[row]}, column ${header[place]}: ${problem}, received ${what}`,
  );
}

function targetOf(table: CsvTable, place: number, { labelsAre, classes }: CsvOptions, name: string) {
  const entries = table.rows.map((row) => row[place]!);
  const kind = labelsAre ?? (classes === undefined && entries.every(isNumber) ? 'values' : 'classes');
  if (kind === 'values') {
    const values = Float32Array.from(entries, (_, row) => numberAt(table, row, place, name));
    return { values: torch.fromBuffer(values, { dtype: 'float32', shape: [values.length, 1] }), labelsAre: kind };
  }
  const names = classes ?? [...new Set(entries)].sort();
  const labelOf = new Map(names.map((entry, label) => [entry, label]));
  const labels = Int32Array.from(entries, (entry, row) => {
    const label = labelOf.get(entry);
    if (label !== undefined) return label;
    throw badEntry(table, row, place, name, `expected one of ${names.join(', ')}`);
  });
  const values = torch.fromBuffer(labels, { dtype: 'int32', shape: [labels.length] }).to('int64');
  return { values, labelsAre: kind, classes: names };
}
