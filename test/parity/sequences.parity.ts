// Recurrent layers, attention and transformers beside PyTorch's, over the cases of PyTorch's own generators
// (`torch.testing._internal.common_modules`), in both dtypes and modes: first values, outputs, gradients, keys and print.

import { describe, expect, it } from 'vitest';
import { excess, type ModuleCase, modulesInPython, runCase } from '../support/modules.js';
import { decode, python } from '../support/python.js';

const generate = `
from torch.testing._internal import common_modules
wanted = {'RNN', 'GRU', 'LSTM', 'RNNCell', 'GRUCell', 'LSTMCell', 'MultiheadAttention', 'TransformerEncoderLayer',
          'TransformerDecoderLayer', 'TransformerEncoder', 'Transformer'}
def generate(dtype, training):
    for info in common_modules.module_db:
        name = info.module_cls.__name__
        if info.module_cls.__module__.startswith('torch.nn.modules') and name in wanted:
            for i, sample in enumerate(info.module_inputs_func(info, 'cpu', dtype, True, training)):
                made, called = sample.constructor_input, sample.forward_input
                def make(made=made, cls=info.module_cls):
                    kwargs = dict(made.kwargs)
                    if cls.__name__ != 'TransformerEncoder': kwargs['dtype'] = dtype
                    if cls.__name__ == 'TransformerEncoder':
                        layer = nn.TransformerEncoderLayer(**{**made.args[0]._made, 'dtype': dtype})
                        return cls(layer, *made.args[1:], **kwargs)
                    return cls(*made.args, **kwargs)
                yield name, f'{sample.desc or ""} {i}', make, called.args, called.kwargs
`;

const cases: ModuleCase[] = python ? modulesInPython(generate) : [];
const names = [...new Set(cases.map(({ module }) => module))];

describe.skipIf(!python)('sequence modules of module_db', () => {
  it('are all there', () => expect(names.length).toBe(11));
  for (const name of names) {
    const list = cases.filter(({ module }) => module === name);
    it(`${name}: ${list.length} cases`, () => {
      for (const one of list) {
        const { repr, first, outputs, gradients } = runCase(one);
        const about = `${name} ${one.about} ${one.dtype} ${one.training ? 'training' : 'evaluation'}`;
        expect([about, repr]).toEqual([about, one.repr]);
        expect([about, Object.keys(first)]).toEqual([about, Object.keys(one.first)]);
        for (const [key, tensor] of Object.entries(one.first))
          expect([about, key, first[key]!.tolist()]).toEqual([about, key, decode(tensor).tolist()]);
        const allowed = one.dtype === 'float32' ? 1e-6 : 1e-12;
        expect([about, outputs.length]).toEqual([about, one.outputs.length]);
        for (const [i, output] of outputs.entries())
          expect(excess(output, decode(one.outputs[i]!), allowed), `${about}: output ${i}`).toBeLessThanOrEqual(1);
        expect([about, Object.keys(gradients).sort()]).toEqual([about, Object.keys(one.gradients).sort()]);
        for (const [key, tensor] of Object.entries(gradients))
          expect(
            excess(tensor, decode(one.gradients[key]!), allowed),
            `${about}: gradient of ${key}`,
          ).toBeLessThanOrEqual(1);
      }
    });
  }
});
