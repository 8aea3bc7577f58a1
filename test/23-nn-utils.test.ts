// `nn.utils` beside Python's: clipping, vectors of parameters, parametrizations, fusion; and what of it works in captured steps.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { capture, type Tensor, torch } from '../lib/tensor/index.js';
import { excess } from './support/modules.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { parametrizations, parametrize } = nn.utils;
const code = (value: string) => expect.objectContaining({ code: value });
const { describe: withPython } = needs(python, 'a Python that has torch');

interface Outcome {
  first: Record<string, Tensor>;
  weight: Tensor;
  y: Tensor;
  gradients: Record<string, Tensor>;
  state: Record<string, Tensor>;
  removed: Record<string, Tensor>;
}

const cases: Record<string, { python: string; make: () => nn.Module; shape: number[] }> = {
  weightNorm: {
    python: 'P.weight_norm(nn.Linear(4, 3))',
    make: () => parametrizations.weightNorm(new nn.Linear(4, 3)),
    shape: [2, 4],
  },
  weightNormAll: {
    python: 'P.weight_norm(nn.Conv2d(2, 3, 3), dim=None)',
    make: () => parametrizations.weightNorm(new nn.Conv2d(2, 3, 3), 'weight', { dim: null }),
    shape: [2, 2, 5, 5],
  },
  spectralNorm: {
    python: 'P.spectral_norm(nn.Linear(4, 3))',
    make: () => parametrizations.spectralNorm(new nn.Linear(4, 3)),
    shape: [2, 4],
  },
  spectralNormConv: {
    python: 'P.spectral_norm(nn.Conv2d(2, 3, 3), n_power_iterations=2)',
    make: () => parametrizations.spectralNorm(new nn.Conv2d(2, 3, 3), 'weight', { nPowerIterations: 2 }),
    shape: [2, 2, 5, 5],
  },
  orthogonal: {
    python: 'P.orthogonal(nn.Linear(4, 3))',
    make: () => parametrizations.orthogonal(new nn.Linear(4, 3)),
    shape: [2, 4],
  },
  orthogonalSquare: {
    python: 'P.orthogonal(nn.Linear(4, 4))',
    make: () => parametrizations.orthogonal(new nn.Linear(4, 4)),
    shape: [2, 4],
  },
  orthogonalCayley: {
    python: "P.orthogonal(nn.Linear(3, 5), orthogonal_map='cayley')",
    make: () => parametrizations.orthogonal(new nn.Linear(3, 5), 'weight', { orthogonalMap: 'cayley' }),
    shape: [2, 3],
  },
  orthogonalPlain: {
    python: 'P.orthogonal(nn.Linear(3, 5), use_trivialization=False)',
    make: () => parametrizations.orthogonal(new nn.Linear(3, 5), 'weight', { useTrivialization: false }),
    shape: [2, 3],
  },
};

const clones = (module: nn.AnyModule) =>
  Object.fromEntries([...module.stateDict()].map(([key, tensor]) => [key, tensor.clone()]));

function ours({ make, shape }: (typeof cases)[string]): Outcome {
  torch.manualSeed(0);
  const module = make();
  const first = clones(module);
  torch.manualSeed(1);
  const x = torch.randn(shape);
  const y = module.forward(x);
  y.square().sum().backward();
  const gradients = Object.fromEntries([...module.namedParameters()].map(([key, { grad }]) => [key, grad as Tensor]));
  const state = clones(module);
  module.eval();
  const weight = (module as unknown as { weight: Tensor }).weight.detach();
  parametrize.removeParametrizations(module, 'weight');
  return { first, weight, y, gradients, state, removed: clones(module) };
}

withPython('parametrizations equal PyTorch', () => {
  const reference = (
    python
      ? runPython(
          `
        from torch import nn
        from torch.nn.utils import parametrizations as P, parametrize
        out = {}
        for name, (source, shape) in input.items():
            torch.manual_seed(0)
            module = eval(source)
            first = {k: v.clone() for k, v in module.state_dict().items()}
            torch.manual_seed(1)
            x = torch.randn(shape)
            y = module(x)
            y.square().sum().backward()
            grads = {k: p.grad for k, p in module.named_parameters()}
            state = {k: v.clone() for k, v in module.state_dict().items()}
            module.eval()
            weight = module.weight.detach()
            parametrize.remove_parametrizations(module, 'weight')
            out[name] = {'first': first, 'y': y, 'gradients': grads, 'state': state, 'weight': weight,
                         'removed': dict(module.state_dict())}
        emit(out)`,
          Object.fromEntries(Object.entries(cases).map(([name, { python: source, shape }]) => [name, [source, shape]])),
        )
      : {}
  ) as Record<string, Record<keyof Outcome, Record<string, TensorJson>>>;

  for (const [name, item] of Object.entries(cases)) {
    it(`${name}: ${item.python}`, () => {
      const theirs = reference[name]!;
      const found = ours(item);
      for (const part of ['first', 'gradients', 'state', 'removed'] as const) {
        expect([part, ...Object.keys(found[part])]).toEqual([part, ...Object.keys(theirs[part])]);
        for (const [key, tensor] of Object.entries(found[part]))
          expect(excess(tensor, decode(theirs[part][key]!), 1e-6), `${part} ${key}`).toBeLessThanOrEqual(1);
      }
      for (const part of ['y', 'weight'] as const)
        expect(excess(found[part], decode(theirs[part] as unknown as TensorJson), 1e-6), part).toBeLessThanOrEqual(1);
    });
  }
});

class Symmetric extends nn.Module {
  override forward(x: Tensor): Tensor {
    return x.triu().add(x.triu(1).mT);
  }
  rightInverse(x: Tensor): Tensor {
    return x.triu();
  }
}
class Doubled extends nn.Module {
  override forward(x: Tensor): Tensor {
    return x.mul(2);
  }
}

describe('parametrize', () => {
  it('one after the other, with assignment, and taken away again', () => {
    const layer = new nn.Linear(3, 3, { bias: false });
    const { weight } = layer;
    expect(parametrize.isParametrized(layer)).toBe(false);
    parametrize.registerParametrization(layer, 'weight', new Symmetric());
    expect(torch.equal(layer.weight, layer.weight.mT)).toBe(true);
    expect([...layer.namedParameters().keys()]).toEqual(['parametrizations.weight.original']);
    expect(layer.parameters()[0]).toBe(weight); // an optimizer keeps it
    layer.weight = torch.eye(3).mul(4) as nn.Parameter;
    expect(layer.weight.tolist()).toEqual([
      [4, 0, 0],
      [0, 4, 0],
      [0, 0, 4],
    ]);
    parametrize.registerParametrization(layer, 'weight', new Doubled());
    expect(layer.weight.diagonal().tolist()).toEqual([8, 8, 8]);
    expect(() => (layer.weight = torch.eye(3) as nn.Parameter)).toThrow(code('ERR_ARGUMENT')); // Doubled has no inverse
    expect([parametrize.isParametrized(layer, 'weight'), parametrize.isParametrized(layer, 'bias')]).toEqual([
      true,
      false,
    ]);
    parametrize.removeParametrizations(layer, 'weight');
    expect(layer.weight).toBe(weight);
    expect(weight.diagonal().tolist()).toEqual([8, 8, 8]);
    expect([...layer.stateDict().keys()]).toEqual(['weight']);
    expect([weight.requiresGrad, weight.isLeaf]).toEqual([true, true]);
  });

  it('refuses fields that hold no parameter, changed shapes, and what is not there', () => {
    const layer = new nn.Linear(3, 2);
    class Wrong extends nn.Module {
      override forward(x: Tensor): Tensor {
        return x.mT;
      }
    }
    expect(() => parametrize.registerParametrization(layer, 'inFeatures', new Doubled())).toThrow(code('ERR_ARGUMENT'));
    expect(() => parametrize.registerParametrization(layer, 'weight', new Wrong())).toThrow(code('ERR_SHAPE'));
    expect([...layer.stateDict().keys()]).toEqual(['weight', 'bias']);
    expect(() => parametrize.removeParametrizations(layer, 'weight')).toThrow(code('ERR_ARGUMENT'));
    expect(() => parametrizations.orthogonal(layer, 'bias')).toThrow(code('ERR_SHAPE'));
    parametrizations.weightNorm(layer);
    expect(() => parametrize.removeParametrizations(layer, 'weight', { leaveParametrized: false })).toThrow(
      code('ERR_ARGUMENT'),
    );
  });

  it('works in captured steps: bit for bit as eager', async () => {
    const run = async (captured: boolean) => {
      torch.manualSeed(0);
      const layer = parametrizations.spectralNorm(
        parametrizations.weightNorm(new nn.Linear(4, 4), 'bias', { dim: null }),
      );
      const step = (x: Tensor) => {
        layer.zeroGrad();
        const loss = layer.forward(x).square().mean();
        loss.backward();
        nn.utils.clipGradNorm_(layer.parameters(), 0.1);
        torch.noGrad(() => layer.parameters().forEach((p) => void p.sub_(p.grad!)));
        return loss;
      };
      const called = captured ? capture(step) : step;
      const losses = [];
      for (let i = 0; i < 4; i++) losses.push(encode(await called(torch.ones([2, 4]))));
      return [...losses, ...[...layer.stateDict().values()].map(encode)];
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

withPython('clipping and vectors equal PyTorch', () => {
  it('norms of several kinds, values, vectors', () => {
    torch.manualSeed(0);
    const parameters = [
      new nn.Parameter(torch.randn([3, 2])),
      new nn.Parameter(torch.randn([4])),
      new nn.Parameter(torch.randn([2]), false),
    ];
    const gradients = [torch.randn([3, 2]), torch.randn([4])];
    const theirs = runPython(
      `
      from torch.nn import utils
      params = [torch.nn.Parameter(T(p)) for p in input['parameters']]
      def fresh():
          for p, g in zip(params, input['gradients']): p.grad = T(g)
      out = {}
      for p in (1, 2, 3.5, float('inf')):
          fresh()
          norm = utils.clip_grad_norm_(params, 0.5, norm_type=p)
          out[str(p)] = [norm] + [x.grad for x in params[:2]]
      fresh(); utils.clip_grad_value_(params, 0.3)
      out['value'] = [x.grad for x in params[:2]]
      out['vector'] = utils.parameters_to_vector(params)
      emit(out)`,
      { parameters: parameters.map((p) => encode(p)), gradients: gradients.map(encode) },
    ) as Record<string, TensorJson[]> & { vector: TensorJson };
    const fresh = () => {
      for (const [i, gradient] of gradients.entries()) parameters[i]!.grad = gradient.clone();
    };
    const clipped = () => parameters.slice(0, 2).map(({ grad }) => encode(grad!));
    for (const [name, normType] of Object.entries({ 1: 1, 2: 2, 3.5: 3.5, inf: Number.POSITIVE_INFINITY })) {
      fresh();
      const norm = nn.utils.clipGradNorm_(parameters, 0.5, { normType });
      expect([name, encode(norm), ...clipped()]).toEqual([name, ...theirs[name]!]);
    }
    fresh();
    nn.utils.clipGradValue_(parameters, 0.3);
    expect(clipped()).toEqual(theirs.value);
    const vector = nn.utils.parametersToVector(parameters);
    expect(encode(vector)).toEqual(theirs.vector);
    nn.utils.vectorToParameters(vector.detach().mul(2), parameters);
    expect(parameters[1]!.tolist()).toEqual(vector.narrow(0, 6, 4).mul(2).tolist());
  });

  it('fusion: the same outputs as PyTorch’s fused layers, from the same layers', () => {
    const theirs = runPython(`
      from torch import nn
      from torch.nn.utils import fusion
      torch.manual_seed(0)
      conv, norm, linear, flat = nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.Linear(4, 3), nn.BatchNorm1d(3)
      norm.running_mean.normal_(); norm.running_var.uniform_(0.5, 2); flat.running_mean.normal_(); flat.running_var.uniform_(0.5, 2)
      x, z = torch.randn(2, 2, 5, 5), torch.randn(6, 4)
      for m in (conv, norm, linear, flat): m.eval()
      emit([fusion.fuse_conv_bn_eval(conv, norm)(x), fusion.fuse_linear_bn_eval(linear, flat)(z)])`) as TensorJson[];
    torch.manualSeed(0);
    const conv = new nn.Conv2d(2, 3, 3, { padding: 1, bias: false });
    const norm = new nn.BatchNorm2d(3);
    const linear = new nn.Linear(4, 3);
    const flat = new nn.BatchNorm1d(3);
    for (const { runningMean, runningVar } of [norm, flat]) {
      runningMean!.normal_();
      runningVar!.uniform_(0.5, 2);
    }
    const [x, z] = [torch.randn([2, 2, 5, 5]), torch.randn([6, 4])];
    expect(() => nn.utils.fuseConvBnEval(conv, norm)).toThrow(code('ERR_ARGUMENT')); // in training mode
    for (const module of [conv, norm, linear, flat]) module.eval();
    const fused = nn.utils.fuseConvBnEval(conv, norm);
    expect(excess(fused.forward(x), decode(theirs[0]!), 1e-6)).toBeLessThanOrEqual(1);
    expect(excess(fused.forward(x), norm.forward(conv.forward(x)), 1e-5)).toBeLessThanOrEqual(1);
    expect(excess(nn.utils.fuseLinearBnEval(linear, flat).forward(z), decode(theirs[1]!), 1e-6)).toBeLessThanOrEqual(1);
  });
});

describe('nn.utils', () => {
  it('functionalCall: other tensors in the places of a module’s own, with gradients to them', () => {
    const net = new nn.Sequential(new nn.Linear(2, 2), new nn.Tanh());
    const before = net.getParameter('0.weight');
    const weight = torch.eye(2).requiresGrad_(true);
    const x = torch.ones([1, 2]);
    const y = nn.utils.functionalCall(net, { '0.weight': weight, '0.bias': torch.zeros([2]) }, x);
    expect(torch.allclose(y, x.tanh())).toBe(true);
    y.sum().backward();
    expect(weight.grad!.shape).toEqual([2, 2]);
    expect(net.getParameter('0.weight')).toBe(before);
    expect(before.grad).toBe(null);
    expect(() => nn.utils.functionalCall(net, { '1.weight': weight }, x)).toThrow(code('ERR_ARGUMENT'));
    expect(() => nn.utils.functionalCall(net, { '0.weight': weight }, torch.ones([1, 5]))).toThrow();
    expect(net.getParameter('0.weight')).toBe(before);
  });

  it('refuses norms that are not finite where asked to, and sizes that don’t add up', () => {
    const parameter = new nn.Parameter(torch.ones([2]));
    parameter.grad = torch.tensor([Number.NaN, 1]);
    expect(() => nn.utils.clipGradNorm_([parameter], 1, { errorIfNonfinite: true })).toThrow(code('ERR_DATA'));
    expect(nn.utils.clipGradNorm_(parameter, 1).isnan().item()).toBe(true);
    expect(nn.utils.clipGradNorm_([], 1).item()).toBe(0);
    expect(() => nn.utils.clipGradNorm_([parameter], -1)).toThrow(code('ERR_ARGUMENT'));
    expect(() => nn.utils.clipGradValue_([parameter], 0)).toThrow(code('ERR_ARGUMENT'));
    expect(() => nn.utils.vectorToParameters(torch.ones([3]), [parameter])).toThrow(code('ERR_SHAPE'));
    expect(() => nn.utils.getTotalNorm([3 as never])).toThrow(code('ERR_ARGUMENT'));
  });
});
