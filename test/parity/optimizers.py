# The cases of PyTorch's own list of optimizers (optim_db), run by PyTorch. Each configuration that an entry's generator yields
# is one case: parameters, the gradients' constant parts, and what PyTorch makes of them. Run by optimizers.ts; `input` is
# {steps, dtypes, only (names, or null for all), each ('all' or 'ends')}, or {resume: cases} to go on from states made elsewhere.

import types, unittest
stub = types.ModuleType('expecttest')
stub.TestCase = unittest.TestCase
sys.modules.setdefault('expecttest', stub)
from torch.testing._internal.common_optimizers import optim_db

def plain(value):
    if isinstance(value, torch.Tensor): return value.item() if value.dim() == 0 and not value.is_complex() else value
    if isinstance(value, (list, tuple)): return [plain(item) for item in value]
    if isinstance(value, dict): return {str(key): plain(item) for key, item in value.items()}
    return value

def shapes(name):
    if name == 'Muon': return [[4, 3], [3, 5]]
    return [[6, 3], [5]] if name == 'SparseAdam' else [[4, 3], [5], [2, 2, 3]]

def real(tensor): return torch.view_as_real(tensor) if tensor.is_complex() else tensor

def loss(params, constants):
    return sum((real(p) * real(g)).sum() + 0.05 * (real(p) ** 2).sum() for p, g in zip(params, constants))

# Not quadratic, so that no step is the last one.
def bowl(params, constants):
    return sum(((real(p) - real(g)) ** 2).sum() + 0.1 * (real(p) ** 4).sum() for p, g in zip(params, constants))

def step(name, optimizer, params, constants, number):
    if name == 'LBFGS':
        def closure():
            optimizer.zero_grad()
            value = bowl(params, constants)
            value.backward()
            return value
        optimizer.step(closure)
        return
    optimizer.zero_grad()
    if name == 'SparseAdam':
        # One index twice, and only some of them.
        for p, g in zip(params, constants):
            rows = torch.tensor([[number % 3, 4, number % 3]])
            p.grad = torch.sparse_coo_tensor(rows, g[rows[0]], p.shape)
    else:
        # The second parameter gets its first gradient late.
        keep = [i for i in range(len(params)) if i != 1 or number >= 3]
        loss([params[i] for i in keep], [constants[i] for i in keep]).backward()
    optimizer.step()

def state(optimizer):
    saved = optimizer.state_dict()
    return {'state': {str(key): plain_state(value) for key, value in saved['state'].items()}, 'param_groups': plain(saved['param_groups'])}

def plain_state(value): return {key: listed(item) for key, item in value.items()}
def listed(value): return [listed(item) for item in value] if isinstance(value, (list, tuple)) else value.detach().clone() if isinstance(value, torch.Tensor) else value

def case(info, config, dtype, steps):
    name, kwargs = info.name, {'params': None, **config.kwargs}
    del kwargs['params']
    torch.manual_seed(7)
    dtypes = [dtype] * len(shapes(name))
    every = shapes(name)
    if info.supports_complex and name != 'LBFGS':
        every, dtypes = [*every, [3]], [*dtypes, {torch.float32: torch.complex64, torch.float64: torch.complex128}[dtype]]
    params = [torch.nn.Parameter(torch.randn(shape, dtype=kind)) for shape, kind in zip(every, dtypes)]
    constants = [[torch.randn(shape, dtype=kind) for shape, kind in zip(every, dtypes)] for _ in range(1 if name == 'LBFGS' else steps)]
    of = lambda number: constants[0 if name == 'LBFGS' else number]
    start = [p.detach().clone() for p in params]
    optimizer = info.optim_cls(params, **kwargs)
    result = {'name': name, 'desc': config.desc, 'dtype': str(dtype).removeprefix('torch.'), 'kwargs': plain(kwargs),
              'params': start, 'constants': constants}
    for number in range(steps):
        if number == steps // 2: result['half'] = {'params': [p.detach().clone() for p in params], **state(optimizer)}
        step(name, optimizer, params, of(number), number)
    result['end'] = {'params': [p.detach().clone() for p in params], **state(optimizer)}
    return result

def draw():
    cases = []
    for info in optim_db:
        if input['only'] and info.name not in input['only']: continue
        configs = info.optim_inputs_func(device='cpu')
        for config in configs if input['each'] == 'all' else [configs[0], configs[-1]]:
            for dtype in input['dtypes']: cases.append(case(info, config, getattr(torch, dtype), input['steps']))
    return {'names': [info.name for info in optim_db], 'cases': cases}

def tensors(value):
    if isinstance(value, dict): return T(value) if 'data' in value else {key: tensors(item) for key, item in value.items()}
    return [tensors(item) for item in value] if isinstance(value, list) else value

# Goes on from the state that was made elsewhere.
def resumed(given):
    name, steps = given['name'], given['steps']
    params = [torch.nn.Parameter(T(p)) for p in given['params']]
    optimizer = getattr(torch.optim, name)(params, lr=0.5)
    groups = [{key: tuple(value) if key in ('betas', 'etas', 'step_sizes', 'eps', 'ns_coefficients') and isinstance(value, list) else value
               for key, value in group.items()} for group in given['groups']]
    optimizer.load_state_dict({'state': {int(key): tensors(value) for key, value in given['state'].items()}, 'param_groups': groups})
    for number in range(steps // 2, steps):
        step(name, optimizer, params, [T(g) for g in given['constants'][0 if name == 'LBFGS' else number]], number)
    return params

emit([resumed(given) for given in input['resume']] if 'resume' in input else draw())
