# Schedules run by PyTorch: the rates and momenta of 200 epochs, and the state after 77 of them. `input` is {epochs, resume}:
# states made elsewhere, by name, to go on from after 77 epochs.

import warnings
warnings.simplefilter('ignore')
from collections import Counter
from torch.optim.lr_scheduler import *
from torch.optim.swa_utils import SWALR

def sgd(): return torch.optim.SGD([{'params': [torch.nn.Parameter(torch.ones(1))], 'lr': lr} for lr in (0.1, 0.03)], momentum=0.5)
def adam(): return torch.optim.AdamW([{'params': [torch.nn.Parameter(torch.ones(1))], 'lr': lr} for lr in (0.1, 0.03)])

cases = {
    'LambdaLR': lambda o: LambdaLR(o, lambda e: 0.95 ** e),
    'LambdaLR, one for each group': lambda o: LambdaLR(o, [lambda e: 0.95 ** e, lambda e: 1 / (1 + e)]),
    'MultiplicativeLR': lambda o: MultiplicativeLR(o, lambda e: 0.97),
    'StepLR': lambda o: StepLR(o, 30, 0.3),
    'MultiStepLR': lambda o: MultiStepLR(o, [20, 50, 50, 120], 0.2),
    'ConstantLR': lambda o: ConstantLR(o, 0.4, 60),
    'ConstantLR, defaults': lambda o: ConstantLR(o),
    'LinearLR': lambda o: LinearLR(o, 0.1, 0.7, 90),
    'LinearLR, defaults': lambda o: LinearLR(o),
    'ExponentialLR': lambda o: ExponentialLR(o, 0.98),
    'PolynomialLR': lambda o: PolynomialLR(o, 150, 0.9),
    'PolynomialLR, defaults': lambda o: PolynomialLR(o),
    'CosineAnnealingLR': lambda o: CosineAnnealingLR(o, 70, 0.001),
    'CosineAnnealingLR, to zero': lambda o: CosineAnnealingLR(o, 200),
    'CosineAnnealingWarmRestarts': lambda o: CosineAnnealingWarmRestarts(o, 10, 2, 0.001),
    'CosineAnnealingWarmRestarts, defaults': lambda o: CosineAnnealingWarmRestarts(o, 25),
    'CyclicLR': lambda o: CyclicLR(o, 0.01, 0.1, 15, 25),
    'CyclicLR, triangular2': lambda o: CyclicLR(o, [0.01, 0.02], [0.1, 0.3], 20, mode='triangular2', base_momentum=0.7),
    'CyclicLR, exp_range': lambda o: CyclicLR(o, 0.01, 0.1, 20, mode='exp_range', gamma=0.99),
    'CyclicLR, own scale': lambda o: CyclicLR(o, 0.01, 0.1, 20, scale_fn=lambda x: 1 / x, scale_mode='cycle', cycle_momentum=False),
    'OneCycleLR': lambda o: OneCycleLR(o, 0.1, total_steps=220),
    'OneCycleLR, linear in three phases': lambda o: OneCycleLR(o, [0.1, 0.2], epochs=20, steps_per_epoch=11, anneal_strategy='linear', three_phase=True),
    'OneCycleLR, betas': lambda o: OneCycleLR(o, 0.1, total_steps=220, pct_start=0.2),
    'ReduceLROnPlateau': lambda o: ReduceLROnPlateau(o, factor=0.5, patience=3, cooldown=2),
    'ReduceLROnPlateau, max': lambda o: ReduceLROnPlateau(o, 'max', 0.3, 5, threshold=0.01, threshold_mode='abs', min_lr=[0.001, 0.01]),
    'SWALR': lambda o: SWALR(o, 0.05, 12),
    'SWALR, linear': lambda o: SWALR(o, [0.05, 0.2], 30, 'linear'),
    'SequentialLR': lambda o: SequentialLR(o, [LinearLR(o, 0.1, total_iters=10), CosineAnnealingLR(o, 90), ExponentialLR(o, 0.9)], [10, 100]),
    'SequentialLR, of restarts': lambda o: SequentialLR(o, [ConstantLR(o, 0.5, 4), CosineAnnealingWarmRestarts(o, 12)], [30]),
    'SequentialLR, of steps': lambda o: SequentialLR(o, [StepLR(o, 5), MultiStepLR(o, [3, 9]), PolynomialLR(o, 40)], [15, 60]),
    'SequentialLR, of chains': lambda o: SequentialLR(o, [ChainedScheduler([ConstantLR(o, 0.1, 20), ExponentialLR(o, 0.9)]), StepLR(o, 9)], [200]),
    'ChainedScheduler': lambda o: ChainedScheduler([ConstantLR(o, 0.1, 20), ExponentialLR(o, 0.95)]),
    'ChainedScheduler, of three': lambda o: ChainedScheduler([StepLR(o, 20), LinearLR(o, total_iters=30), CosineAnnealingLR(o, 150)]),
}

def metric(epoch): return (epoch * 37 % 11) / 10 + 3 / (1 + epoch // 20)
def momentum(group): return group['betas'][0] if 'betas' in group else group['momentum']
def values(optimizer): return [[group['lr'], momentum(group)] for group in optimizer.param_groups]

def run(name, make, start=0, state=None):
    optimizer = (adam if name.endswith('betas') else sgd)()
    schedule = make(optimizer)
    if state is not None:
        groups, state = state['groups'], state['schedule']
        if 'milestones' in state: state['milestones'] = Counter({int(key): count for key, count in state['milestones']})
        for one in state.get('_schedulers', []):
            if 'milestones' in one: one['milestones'] = Counter({int(key): count for key, count in one['milestones']})
        schedule.load_state_dict(state)
        for group, saved in zip(optimizer.param_groups, groups): group.update(saved)
    seen, half = [], None
    for epoch in range(start, input['epochs']):
        if epoch == 77: half = {'schedule': schedule.state_dict(), 'groups': [{key: value for key, value in group.items() if key != 'params'} for group in optimizer.param_groups]}
        if epoch == 77: half = json.loads(json.dumps(_plain(counted(half))))
        seen.append(values(optimizer))
        optimizer.step()
        if isinstance(schedule, ReduceLROnPlateau): schedule.step(metric(epoch))
        else: schedule.step()
    return {'values': seen, 'half': half}

def counted(value):
    if isinstance(value, Counter): return [[key, count] for key, count in value.items()]
    if isinstance(value, dict): return {key: counted(item) for key, item in value.items()}
    return [counted(item) for item in value] if isinstance(value, list) else value

if input['resume'] is None: emit({name: run(name, make) for name, make in cases.items()})
else: emit({name: run(name, cases[name], 77, state)['values'] for name, state in input['resume'].items()})
