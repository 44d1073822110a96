"""A job that compiles nothing does not load the compiler, and its optimiser is the same."""

import subprocess
import sys

TRAINS = """
import sys, torch
from itertools import repeat
from torch import nn
from revisit.evaluation.protocols.course import Held
from revisit.evaluation.protocols.fitting import Look, fit
from revisit.nets.compiler import compiler_left_out
from revisit.training.device import prepare

prepare(torch.device("cpu"))
assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()

layer = nn.Linear(3, 2)  # supervised training, with a return to the best state
with compiler_left_out():
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1, foreach=True)
course = Held(most=9, warmup=0, patience=1, min_rise=0, min_fall=0, cooldown=0.5)
fitted = fit(layer, optimiser, repeat(torch.ones(4, 3)), lambda batch: batch,
             lambda batch: layer(batch).square().sum(), lambda: Look(0.5, 0.5), course, validate_every=1)
assert fitted.converged and "torch._dynamo" not in sys.modules

ends = []
for wanted in (False, True):
    torch.manual_seed(0)
    layer, images = nn.Linear(3, 2), torch.randn(4, 3)
    with compiler_left_out(wanted):
        optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for step in range(3):
        loss = layer(images).square().sum()
        with compiler_left_out(wanted):
            optimiser.zero_grad()
        loss.backward()
        with compiler_left_out(wanted):
            optimiser.step()
    ends.append(layer.weight.detach())
    assert ("torch._dynamo" in sys.modules) == wanted
assert torch.equal(*ends)
compiled = torch.compile(lambda x: x * 2, backend="eager")
assert compiled(torch.ones(2)).tolist() == [2, 2]
print("fine")
"""


def test_compiler_is_left_out_and_can_still_be_used() -> None:
    """1.4 of the 4.5 s of processor time of a short job went into loading it."""
    done = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr


LOADS = """
import sys
from revisit.nets.compiler import compiler_left_out
from revisit.nets.external.backbone import library

with compiler_left_out():
    library("timm")
import torch
assert hasattr(torch._dynamo, "optimize") and sys.modules["torch._dynamo"] is torch._dynamo
print("fine")
"""


def test_libraries_that_need_the_compiler_get_it() -> None:
    """Models of timm are built where it is left out; timm imports torchvision, which imports parts of it."""
    done = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr
