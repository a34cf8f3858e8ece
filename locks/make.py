"""Makes the locks anew: exact versions for Python 3.11 to 3.13 on Linux, x86-64 and arm64.

Run it by `make lock`. A lock names versions and no addresses: pip's own settings say where from.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

UV = "uv==0.13.8"
LOCKS = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
EXTRAS = ("discord", "slack", "postgres", "dev")

NEVER = 'python_version < "3"'
# A text service needs none of these, and their builds do not fit the CPU build of torch.
NO_MEDIA = [f"{name} ; {NEVER}" for name in ("torchaudio", "torchcodec", "torchvision")]
# vLLM asks for a certifi of one certain day or later; not every mirror is as fresh.
CUDA_OVERRIDES = [*NO_MEDIA, "certifi>=2026.10.18"]
# The CPU build of torch is installed in a step of its own (torch-cpu.txt), so that only that step names
# PyTorch's index; what torch needs besides is named here. Nothing on a CPU is compiled by triton.
CPU_OVERRIDES = [*NO_MEDIA, f"torch ; {NEVER}", f"triton ; {NEVER}"]
TORCH_NEEDS = ["filelock", "fsspec", "jinja2", "networkx", "sympy>=1.13.3", "typing-extensions"]


def main() -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", UV], check=True)
    make("cpu", CPU_OVERRIDES, TORCH_NEEDS)
    make("cuda", CUDA_OVERRIDES, [])


def make(name: str, overrides: list[str], needs: list[str]) -> None:
    requirements = [Requirement(line) for line in resolved(name, overrides, needs)]
    for requirement in requirements:
        if requirement.url:
            raise SystemExit(f"{requirement.name} would be locked to an address: {requirement.url}")
    lines = sorted(line for requirement in requirements if (line := written(requirement)))
    text = "# Made by locks/make.py. Do not edit; run `make lock`.\n" + "".join(f"{line}\n" for line in lines)
    (LOCKS / f"{name}.txt").write_text(text)
    print(f"locks/{name}.txt: {len(lines)} packages")


def resolved(name: str, overrides: list[str], needs: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        overriding, needed = Path(folder, "overrides.txt"), Path(folder, "needs.in")
        overriding.write_text("\n".join(overrides))
        needed.write_text("\n".join(needs))
        extras = [word for extra in (*EXTRAS, name) for word in ("--extra", extra)]
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--no-header"]
        command += ["--python-version", PYTHONS[0], "--no-annotate", "--override", str(overriding), *extras]
        output = subprocess.run(
            [*command, "pyproject.toml", str(needed)], cwd=LOCKS.parent, check=True, text=True, stdout=-1
        )
    return [line for line in output.stdout.splitlines() if line and not line.startswith(("#", "-"))]


def written(requirement: Requirement) -> str:
    """The requirement with the shortest marker that means the same where the locks hold; empty if nowhere."""
    marker = requirement.marker
    places = [
        (python, machine)
        for python, machine in itertools.product(PYTHONS, MACHINES)
        if marker is None or marker.evaluate(environment(python, machine))
    ]
    pythons = sorted({python for python, _ in places})
    machines = {machine for _, machine in places}
    if len(places) != len(pythons) * len(machines):
        raise SystemExit(f"the marker of {requirement} cannot be simplified: teach locks/make.py to")
    terms = [] if len(machines) == len(MACHINES) else [f'platform_machine == "{m}"' for m in machines]
    if pythons and pythons[0] != PYTHONS[0]:
        terms.append(f'python_version >= "{pythons[0]}"')
    if pythons and pythons[-1] != PYTHONS[-1]:
        terms.append(f'python_version <= "{pythons[-1]}"')
    plain = f"{requirement.name}{requirement.specifier}"
    return " ; ".join([plain, " and ".join(terms)] if terms else [plain]) if places else ""


def environment(python: str, machine: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


if __name__ == "__main__":
    main()
