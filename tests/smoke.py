"""What an installed hierloss must do, run outside the repository without its extras."""

import importlib.metadata
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import torch

import hierloss
import hierloss_adapters
from hierloss import Hierarchy, HybridLoss
from hierloss.demo import load

here = Path(sys.prefix)
for package in (hierloss, hierloss_adapters):
    assert package.__file__ is not None
    assert here in Path(package.__file__).parents, f"{package.__file__} is not the installed one"
    assert files(package).joinpath("py.typed").is_file(), f"{package.__name__} has no py.typed"
assert importlib.metadata.version("hierloss") == hierloss.__version__
assert len(load().names) == 101

Path("pets.csv").write_text("child,parent\ncat,mammal\ndog,mammal\nmammal,animal\n")
Path("tiny.obo").write_text("format-version: 1.2\n\n[Term]\nid: A:1\nname: a\n")
command = Path(sys.executable).with_name("hierloss")
for arguments in (["verify"], ["inspect", "pets.csv"], ["inspect", "tiny.obo"], ["--version"]):
    subprocess.run([command, *arguments], check=True, stdout=subprocess.DEVNULL)

h = Hierarchy.from_edges([("cat", "mammal"), ("dog", "mammal")])
logits = torch.zeros(2, 3, requires_grad=True)
HybridLoss(h)(logits, h.encode([["cat"], ["dog"]])).backward()
assert logits.grad is not None
assert logits.grad.any()
sys.stdout.write(f"hierloss {hierloss.__version__} is installed and works\n")
