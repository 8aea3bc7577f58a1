# Draws every case of PyTorch's own list of modules (torch.testing._internal.common_modules.module_db) by PyTorch's own
# generators, runs it and its backward, and emits with what each module was made and called and what came of it.
# Run by test/support/moduleDb.ts, whose prelude gives `torch`, `input` and `emit`.
#
# input: {'dtypes': ['float32', …], 'names': [...] or None for all, 'limit': cases a module or None,
#         'extra': [[Python that makes a module, Python that makes each input], …], 'extra_classes': names of theirs}
import functools, inspect, sys, types, unittest, warnings

warnings.simplefilter('ignore')
stub = types.ModuleType('expecttest')
stub.TestCase = unittest.TestCase
sys.modules.setdefault('expecttest', stub)
from torch import nn
import torch.nn.functional as F

module_db = []
if input['names'] != []:  # it takes seconds to load
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


classes = {info.module_cls for info in module_db} | {getattr(nn, name) for name in input['extra_classes']}
for cls in classes | {nn.TransformerDecoderLayer, nn.TransformerDecoder, nn.LayerNorm}:
    remember(cls)


def run(about, make, made, args, kwargs, dtype, training):
    """One module: made from seed 0, called and differentiated with another state from seed 1."""
    torch.manual_seed(0)
    module = make()
    cls, text = type(module), repr(module)
    module = module.to(dtype)
    if cls.__name__.startswith('Lazy'):
        module(*fresh(args), **{k: fresh(v) for k, v in kwargs.items()})
    first = {key: value.clone() for key, value in module.state_dict().items()}
    module.train(training)
    scramble(module)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    leaves = {}
    args, kwargs = fresh(args), {k: fresh(v) for k, v in kwargs.items()}
    called, called_required = bound(type(module).forward, args, kwargs)
    called = {k: describe(v, k, leaves) for k, v in called.items()}
    torch.manual_seed(1)
    outputs = flat(module(*args, **kwargs))
    sums = [(o * torch.cos(torch.arange(o.numel(), dtype=o.dtype)).view_as(o)).sum() for o in outputs if o.requires_grad]
    if sums:
        sum(sums).backward()
    gradients = {key: p.grad for key, p in module.named_parameters() if p.grad is not None}
    gradients.update({'input ' + k: v.grad for k, v in leaves.items() if v.grad is not None})
    return {
        'module': cls.__name__,
        'about': about,
        'dtype': str(dtype).removeprefix('torch.'),
        'training': training,
        'made': made[0],
        'required': made[1],
        'called': called,
        'calledRequired': called_required,
        'repr': text,
        'first': first,
        'state': state,
        'outputs': outputs,
        'gradients': gradients,
        'after': module.state_dict(),
    }


def listed(info, dtype, training):
    """The cases of PyTorch's list."""
    cls = info.module_cls
    torch.manual_seed(7)
    samples = info.module_inputs_func(info, device='cpu', dtype=dtype, requires_grad=True, training=training)
    for number, sample in enumerate(samples[: input['limit']]):
        args, kwargs = sample.constructor_input.args, dict(sample.constructor_input.kwargs)
        kwargs.pop('options', None)  # LinearCrossEntropyLoss: memory for time, the loss is the same
        if 'dtype' in inspect.signature(cls.__init__).parameters:
            kwargs['dtype'] = dtype
        made, required = bound(cls.__init__, args, kwargs, cls.__name__)
        made = {k: describe(fresh(v), k, {}) for k, v in made.items()}
        make = lambda: cls(*fresh(args), **{k: fresh(v) for k, v in kwargs.items()})
        called = sample.forward_input
        yield run(f'{number} {sample.desc or ""}'.strip(), make, (made, required), called.args, called.kwargs, dtype, training)


def extra(source, inputs, dtype, training):
    """A module that is given as Python, `nn.Linear(2, 3)`, with the inputs' shapes or sources."""
    torch.manual_seed(7)
    leaf = lambda *shape: torch.randn(shape, dtype=dtype).requires_grad_()
    args = [eval(one, {'leaf': leaf, 'torch': torch, 'F': F}) for one in inputs]
    make = lambda: eval(source, {'nn': nn, 'torch': torch})
    made, required = make()._made
    made = {k: describe(v, k, {}) for k, v in made.items()}
    return run(source, make, (made, required), args, {}, dtype, training)


found = []
for dtype in (getattr(torch, name) for name in input['dtypes']):
    for info in module_db:
        if input['names'] is None or info.module_cls.__name__ in input['names']:
            for training in (True, False) if info.train_and_eval_differ else (True,):
                found.extend(listed(info, dtype, training))
    for source, *inputs in input['extra']:
        found.extend(extra(source, inputs, dtype, training) for training in (True, False))
emit({'names': [info.module_cls.__name__ for info in module_db], 'cases': found})
