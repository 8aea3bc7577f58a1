// SGD's state in the layout of `torch.optim.SGD.state_dict()`, out and in. Keys and their order are PyTorch's, so that
// Python goes on with a run that started here, and the other way round.

import { expected, IsotorchError } from '../errors.js';
import { Tensor, tidy, torch } from '../tensor/index.js';
import { amount, field, type OptimizerState, type OptimizerStateSource, type ParamGroup } from './optimizer.js';
import type { SGDSettings } from './sgd.js';

type Group = ParamGroup & SGDSettings;

/** What loading changes of a group. */
export type LoadedGroup = SGDSettings & { lr: number; initialLr?: number };

export function packed(groups: readonly Group[], buffers: ReadonlyMap<Tensor, Tensor>): OptimizerState {
  const state = new Map<number, Record<string, unknown>>();
  let next = 0;
  const numbered = groups.map((group) => {
    const numbers = group.params.map((param) => {
      const buffer = buffers.get(param);
      if (buffer) state.set(next, { momentum_buffer: buffer.detach() });
      return next++;
    });
    return {
      lr: group.lr,
      momentum: group.momentum,
      dampening: group.dampening,
      weight_decay: group.weightDecay,
      nesterov: group.nesterov,
      maximize: group.maximize,
      foreach: null,
      differentiable: false,
      fused: null,
      ...(group.initialLr === undefined ? {} : { initial_lr: group.initialLr }),
      params: numbers,
    };
  });
  return { state, param_groups: numbered };
}

/** Settings and new buffers for these groups. Everything is checked before anything is made. */
export function unpacked(
  dict: OptimizerStateSource,
  groups: readonly Group[],
): { groups: LoadedGroup[]; buffers: Map<Tensor, Tensor> } {
  const saved: unknown = field(dict, 'param_groups');
  if (!Array.isArray(saved))
    throw expected("an optimizer's state with state and param_groups", 'dict', dict, 'ERR_STATE_DICT');
  if (saved.length !== groups.length) throw misfit(`${groups.length} parameter groups`, `${saved.length}`);
  const found = new Map<Tensor, Tensor>();
  const settings = groups.map((group, i) => {
    const numbers: unknown = field(saved[i], 'params');
    if (!Array.isArray(numbers) || numbers.length !== group.params.length) {
      const count = Array.isArray(numbers) ? `${numbers.length}` : 'none';
      throw misfit(`${group.params.length} parameters in group ${i}`, count);
    }
    for (const [j, param] of group.params.entries()) {
      const buffer: unknown = field(field(field(dict, 'state'), Number(numbers[j])), 'momentum_buffer') ?? null;
      if (buffer === null) continue;
      if (!(buffer instanceof Tensor))
        throw expected('a Tensor', `momentum_buffer ${numbers[j]}`, buffer, 'ERR_STATE_DICT');
      if (String(buffer.shape) !== String(param.shape))
        throw misfit(
          `momentum of shape [${param.shape.join(', ')}] for parameter ${numbers[j]}`,
          `[${buffer.shape.join(', ')}]`,
        );
      found.set(param, buffer);
    }
    return settingsOf(saved[i], group);
  });
  const copy = (param: Tensor, buffer: Tensor) => tidy(() => torch.emptyLike(param.detach()).copy_(buffer)).keep();
  const buffers = torch.noGrad(() => [...found].map(([param, buffer]) => [param, copy(param, buffer)] as const));
  return { groups: settings, buffers: new Map(buffers) };
}

/** Those that the file has; the others stay. */
function settingsOf(saved: unknown, group: Group): LoadedGroup {
  const number = (key: string, usual: number): number => {
    const value: unknown = field(saved, key) ?? usual;
    return amount(
      value instanceof Tensor ? value.item() : value,
      key,
      key === 'dampening' ? Number.NEGATIVE_INFINITY : 0,
    );
  };
  const boolean = (key: string, usual: boolean): boolean => {
    const value: unknown = field(saved, key) ?? usual;
    if (typeof value !== 'boolean') throw expected('a boolean', key, value, 'ERR_STATE_DICT');
    return value;
  };
  const hasInitial = (field(saved, 'initial_lr') ?? null) !== null;
  return {
    lr: number('lr', group.lr),
    momentum: number('momentum', group.momentum),
    dampening: number('dampening', group.dampening),
    weightDecay: number('weight_decay', group.weightDecay),
    nesterov: boolean('nesterov', group.nesterov),
    maximize: boolean('maximize', group.maximize),
    ...(hasInitial ? { initialLr: number('initial_lr', 0) } : {}),
  };
}

const misfit = (wanted: string, received: string): IsotorchError =>
  new IsotorchError(
    'ERR_STATE_DICT',
    `Expected an optimizer's state with ${wanted} but received ${received}; nothing was changed`,
  );
