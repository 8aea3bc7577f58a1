"""Prints the public names of PyTorch's packages that docs/coverage.md compares with ours, as JSON.

Functions, classes and constants that a user may call; not submodules, types of TorchScript's compiler, and dtypes (strings here).
"""

import inspect
import json
import types
import warnings

warnings.simplefilter("ignore")
import torch
import torch.nn.functional as functional
from torch.optim import lr_scheduler

DESCRIPTIONS = (torch.dtype, torch.layout, torch.memory_format, torch.qscheme)


def public(module, names=None):
    for name in sorted(names or vars(module)):
        value = getattr(module, name, None)
        if name.startswith("_") or isinstance(value, (types.ModuleType, *DESCRIPTIONS)):
            continue
        yield name, value


def home(value):
    return getattr(value, "__module__", None) or ""


# Of the classes in torch the documented ones; the others are typed storages and the compiler's.
CLASSES = {
    "Event", "Generator", "GradScaler", "Size", "Stream", "Tensor", "autocast", "device", "dtype", "enable_grad", "finfo", "iinfo",
    "inference_mode", "layout", "memory_format", "no_grad", "set_grad_enabled",
}


def of_torch(name, value):
    if inspect.isclass(value) or type(value).__name__ == "pybind11_type":
        return name in CLASSES
    return callable(value) and home(value).split(".")[0] not in ("typing", "builtins") or isinstance(value, float)


def functions_of(module):
    return [n for n, v in public(module) if callable(v) and not inspect.isclass(v) and home(v) not in ("typing", "torch.overrides")]


print(json.dumps({
    "version": torch.__version__.split("+")[0],
    "torch": [n for n, v in public(torch) if of_torch(n, v)],
    "torch.Tensor": [n for n in dir(torch.Tensor) if not n.startswith("_")],
    "torch.linalg": functions_of(torch.linalg),
    "torch.fft": functions_of(torch.fft),
    "torch.special": functions_of(torch.special),
    "torch.nn": [n for n, v in public(torch.nn) if inspect.isclass(v)],
    "torch.nn.functional": functions_of(functional),
    "torch.optim": [n for n, v in public(torch.optim, torch.optim.__all__) if inspect.isclass(v)],
    "torch.optim.lr_scheduler": sorted(lr_scheduler.__all__),
}, indent=1))
