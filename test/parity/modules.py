# Draws every case of PyTorch's own list of modules (torch.testing._internal.common_modules.module_db) by PyTorch's own
# generators, runs it and its backward, and emits with what each module was made and called and what came of it.
# Run by test/support/moduleDb.ts, whose prelude gives `torch`, `input` and `emit`.
#
# input: {'dtypes': ['float32', …], 'names': [...] or None for all, 'limit': cases a module or None}
import functools, inspect, sys, types, unittest, warnings

warnings.simplefilter('ignore')
stub = types.ModuleType('expecttest')
stub.TestCase = unittest.TestCase
sys.modules.setdefault('expecttest', stub)
from torch import nn
import torch.nn.functional as F
from torch.testing._internal.common_modules import module_db

# Their constructors take *args.
orders = {
    'RNN': ['input_size', 'hidden_size', 'num_layers', 'nonlinearity', 'bias', 'batch_first', 'dropout', 'bidirectional'],
    'GRU': ['input_size', 'hidden_size', 'num_layers', 'bias', 'batch_first', 'dropout', 'bidirectional'],
    'LSTM': ['input_size', 'hidden_size', 'num_layers', 'bias', 'batch_first', 'dropout', 'bidirectional', 'proj_size'],
}


def bound(function, args, kwargs, name=None):
    """The given arguments by name, and the names of those without default."""
    if name in orders:
        return {**dict(zip(orders[name], args)), **kwargs}, orders[name][:2]
    signature = inspect.signature(function)
    given = dict(signature.bind(None, *args, **kwargs).arguments)
    named = {n: p for n, p in signature.parameters.items() if n != 'self' and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    given = {n: v for n, v in given.items() if n in named}
    return given, [n for n, p in named.items() if p.default is p.empty]


def describe(value, name, leaves):
    if isinstance(value, torch.Tensor):
        if not value.requires_grad:
            return {'tensor': value}
        leaves[name] = value
        return {'tensor': value, 'leaf': name}
    if isinstance(value, nn.Module):
        made, required = value._made
        return {'module': type(value).__name__, 'made': {k: describe(v, k, {}) for k, v in made.items()}, 'required': required}
    if isinstance(value, (tuple, list)):
        return [describe(v, f'{name}.{i}', leaves) for i, v in enumerate(value)]
    if isinstance(value, torch.dtype):
        return str(value).removeprefix('torch.')
    if isinstance(value, torch.device):
        return str(value)
    if value is F.gelu or value is F.relu:
        return value.__name__
    return value


def remember(cls):
    """Each module knows how it was made, for those that are given to other modules."""
    init = cls.__init__

    @functools.wraps(init)
    def wrapped(self, *args, **kwargs):
        init(self, *args, **kwargs)
        if type(self).__init__ is wrapped:
            self.__dict__['_made'] = bound(init, args, kwargs, cls.__name__)

    cls.__init__ = wrapped


def fresh(value):
    """Leaves of this case's own, so that gradients belong to it."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, nn.Module):
        return type(value)(**value._made[0])  # from the seed of now
    if isinstance(value, (tuple, list)):
        return type(value)(fresh(v) for v in value)
    return value


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for v in value or [] for t in flat(v)]


def scramble(module):
    """A state that is not the first one: else every running mean is 0 and every scale 1."""
    with torch.no_grad():
        for key, value in module.state_dict().items():
            if value.is_floating_point() and not key.startswith('_'):
                noise = torch.rand(value.shape, dtype=value.dtype)
                value.add_(noise.abs() if key.endswith('var') or key.endswith('weight') else noise - 0.5)


for cls in {info.module_cls for info in module_db} | {nn.TransformerDecoderLayer, nn.TransformerDecoder, nn.LayerNorm}:
    remember(cls)

found = []
for info in module_db:
    cls = info.module_cls
    name = cls.__name__
    if input['names'] is not None and name not in input['names']:
        continue
    for dtype_name in input['dtypes']:
        dtype = getattr(torch, dtype_name)
        for training in (True, False) if info.train_and_eval_differ else (True,):
            torch.manual_seed(7)
            samples = info.module_inputs_func(info, device='cpu', dtype=dtype, requires_grad=True, training=training)
            for number, sample in enumerate(samples[: input['limit']]):
                made = sample.constructor_input
                args, kwargs = made.args, dict(made.kwargs)
                kwargs.pop('options', None)  # LinearCrossEntropyLoss: memory for time, the loss is the same
                if 'dtype' in inspect.signature(cls.__init__).parameters:
                    kwargs['dtype'] = dtype
                made, needed = bound(cls.__init__, args, kwargs, name)
                made = {k: describe(fresh(v), k, {}) for k, v in made.items()}
                torch.manual_seed(0)
                module = cls(*fresh(args), **{k: fresh(v) for k, v in kwargs.items()})
                text = repr(module)
                module = module.to(dtype)
                called = sample.forward_input
                if info.is_lazy:
                    module(*fresh(called.args), **{k: fresh(v) for k, v in called.kwargs.items()})
                first = {key: value.clone() for key, value in module.state_dict().items()}
                module.train(training)
                scramble(module)
                state = {key: value.clone() for key, value in module.state_dict().items()}
                leaves = {}
                args, kwargs = fresh(called.args), {k: fresh(v) for k, v in called.kwargs.items()}
                given, required = bound(cls.forward, args, kwargs)
                given = {k: describe(v, k, leaves) for k, v in given.items()}
                torch.manual_seed(1)
                outputs = flat(module(*args, **kwargs))
                sums = [(o * torch.cos(torch.arange(o.numel(), dtype=o.dtype)).view_as(o)).sum() for o in outputs if o.requires_grad]
                if sums:
                    sum(sums).backward()
                gradients = {key: p.grad for key, p in module.named_parameters() if p.grad is not None}
                gradients.update({'input ' + k: v.grad for k, v in leaves.items() if v.grad is not None})
                found.append({
                    'module': name,
                    'about': f'{number} {sample.desc or ""}'.strip(),
                    'dtype': dtype_name,
                    'training': training,
                    'made': made,
                    'required': needed,
                    'called': given,
                    'calledRequired': required,
                    'repr': text,
                    'first': first,
                    'state': state,
                    'outputs': outputs,
                    'gradients': gradients,
                    'after': module.state_dict(),
                })
emit({'names': [info.module_cls.__name__ for info in module_db], 'cases': found})
