// Tells whose state a state dict is, by the names of its settings and tensors: training would go on wrongly, and in silence,
// with another optimizer's.

import { IsotorchError } from '../errors.js';
import { field, fieldsOf, valuesOf } from '../fields.js';
import { type OptimizerRow, optimizers } from '../known/optimizers.js';
import { snakeCase } from '../known/optimSettings.js';
import { type ParamGroup, scheduledKeys } from './paramGroup.js';

type Row = OptimizerRow<Record<string, unknown>>;

/** Settings of how a step is computed, which came and went over PyTorch's versions. */
const passing = new Set(['foreach', 'capturable', 'differentiable', 'fused', 'maximize', 'decoupled_weight_decay']);
/** What any group may have. */
const everywhere = new Set(['params', 'param_names', ...scheduledKeys.map(snakeCase)]);
for (const key of passing) if (key !== 'decoupled_weight_decay') everywhere.add(key);

const settingsOf = (row: Row): Set<string> => new Set(Object.keys(row.settings).map(snakeCase));

/** What of the state this optimizer does not know. */
function foreignTo(row: Row, settings: ReadonlySet<string>, kept: ReadonlySet<string>): string[] {
  const own = settingsOf(row);
  const state = new Set(row.state.map(snakeCase));
  return [
    ...[...settings].filter((key) => !own.has(key) && !everywhere.has(key)),
    ...[...kept].filter((key) => !state.has(key)),
  ];
}

/** @throws ERR_STATE_DICT that names the optimizer whose state this looks like, if that is another one */
export function refuseForeign(row: Row, dict: unknown, saved: readonly unknown[], groups: readonly ParamGroup[]): void {
  const settings = new Set(saved.flatMap(fieldsOf));
  const kept = new Set(valuesOf(field(dict, 'state')).flatMap(fieldsOf));
  const all = Object.values(optimizers as unknown as Record<string, Row>);
  const fitting = all.filter((other) => foreignTo(other, settings, kept).length === 0);
  const isWhole = (other: Row) => [...settingsOf(other)].every((key) => settings.has(key) || passing.has(key));
  const whole = fitting.filter(isWhole);
  const decoupled = field(saved[0], 'decoupled_weight_decay');
  const foreign = foreignTo(row, settings, kept);
  if (foreign.length === 0 && (whole.length === 0 || whole.includes(row) || !all.includes(row))) {
    // Adam and AdamW differ in this setting's value alone.
    const [group] = groups as unknown as { decoupledWeightDecay: boolean }[];
    const isAdam = row.name === 'Adam' || row.name === 'AdamW';
    if (!isAdam || typeof decoupled !== 'boolean' || decoupled === group!.decoupledWeightDecay) return;
    throw refusal(row, decoupled ? 'AdamW' : 'Adam', [`decoupled_weight_decay ${decoupled}`]);
  }
  const sameDecay = ({ settings: own }: Row) => own.decoupledWeightDecay?.usual === decoupled;
  throw refusal(row, (whole.find(sameDecay) ?? whole[0] ?? fitting[0])?.name, foreign);
}

function refusal({ name }: Row, other: string | undefined, signs: readonly string[]): IsotorchError {
  const looks = other === undefined ? 'this is of another optimizer' : `this looks like ${other}'s`;
  const why = signs.length === 0 ? '' : `: it has ${signs.join(', ')}`;
  return new IsotorchError('ERR_STATE_DICT', `Expected the state of ${name} but ${looks}${why}; nothing was changed`);
}
