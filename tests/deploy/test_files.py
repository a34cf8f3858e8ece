"""What the image, the compose file, the Makefile and the locks name exists, and they agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from typer.testing import CliRunner

from adapters.cli.main import app
from bot.settings import Settings
from engine.models import cache, smollm2

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def variables(text: str) -> set[str]:
    return set(re.findall(r"NIGHTLOOM_[A-Z_]+", text))


def setting_names(model: Any = Settings, prefix: str = "NIGHTLOOM_") -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields"):
            names |= setting_names(inner, f"{prefix}{name.upper()}__")
        else:
            names.add(f"{prefix}{name.upper()}")
    return names


@pytest.mark.parametrize("source", re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE))
def test_what_the_image_copies_exists(source: str) -> None:
    for path in source.split():
        assert (ROOT / path).exists()


def test_what_the_image_copies_is_not_ignored() -> None:
    ignored = {line.rstrip("/") for line in (ROOT / ".dockerignore").read_text().split()}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert not {path.split("/")[0] for paths in copied for path in paths.split()} & ignored


@pytest.mark.parametrize("text", [DOCKERFILE, (ROOT / "deploy" / "compose.yaml").read_text()])
def test_every_setting_that_is_named_is_one(text: str) -> None:
    assert variables(text) <= setting_names() | {cache.VARIABLE}


def test_the_image_runs_unprivileged_and_asks_for_its_health_where_it_listens() -> None:
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER nightloom$", final, re.MULTILINE)
    port = Settings.model_fields["web"].annotation.model_fields["port"].default  # type: ignore[union-attr]  # a section
    assert f"EXPOSE {port}" in final
    assert f"http://127.0.0.1:{port}/healthz" in final
    assert '"/healthz"' in "".join(path.read_text() for path in (ROOT / "adapters" / "web").rglob("*.py"))


def test_the_image_starts_a_command_that_the_command_line_has() -> None:
    script = PROJECT["project"]["scripts"]
    assert f'ENTRYPOINT ["{next(iter(script))}"]' in DOCKERFILE
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    (command,) = re.findall(r'^CMD \["(\w+)"\]', DOCKERFILE, re.MULTILINE)
    for name in (command, *COMPOSE["services"]["bot"]["command"]):
        assert re.search(rf"\b{name}\b", shown.stdout)


def test_the_compose_file_builds_from_here_and_publishes_to_this_machine_only() -> None:
    bot = COMPOSE["services"]["bot"]
    context = ROOT / "deploy" / bot["build"]["context"]
    assert (context / bot["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    (port,) = bot["ports"]
    assert port == "127.0.0.1:8765:8765"
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        for other in service.get("depends_on", ()):
            assert "healthcheck" in COMPOSE["services"][other]


def test_the_image_brings_the_model_and_the_compose_file_serves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made, kept = re.findall(rf"{cache.VARIABLE}=(\S+)", DOCKERFILE)
    assert made == kept
    assert f"COPY --from=build --chown=nightloom {kept} {kept}" in DOCKERFILE
    assert re.search(r"NIGHTLOOM_MODEL=smollm2\b", DOCKERFILE)
    monkeypatch.setenv(cache.VARIABLE, kept)
    (model,) = re.findall(r":-(/\S+)}", COMPOSE["services"]["vllm"]["command"][0])
    assert Path(model) == smollm2.folder()
    assert all(f"cache:{kept}" in COMPOSE["services"][name]["volumes"] for name in ("bot", "vllm"))


@pytest.mark.real
def test_the_server_takes_the_options_that_the_compose_file_gives_it() -> None:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser())
    options = {text for action in parser._actions for text in action.option_strings}
    for word in COMPOSE["services"]["vllm"]["command"]:
        assert word.partition("=")[0] in options


@pytest.mark.parametrize("name", re.search(r"^BENCHES := (.+)$", MAKEFILE, re.MULTILINE)[1].split())  # type: ignore[index]  # it is there
def test_every_benchmark_of_the_makefile_is_a_module(name: str) -> None:
    assert (ROOT / "bench" / f"{name}.py").is_file() or (ROOT / "bench" / name / "__main__.py").is_file()


def test_every_command_that_the_makefile_and_ci_call_exists() -> None:
    for target in re.findall(
        r"^\tmake (\w+)$|^make (\w+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE
    ):
        assert re.search(rf"^{''.join(target)}:", MAKEFILE, re.MULTILINE)
    for script in ("deploy/setup.sh", ".ci/run"):
        assert (ROOT / script).stat().st_mode & 0o111
        subprocess.run(["bash", "-n", ROOT / script], check=True)


@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_a_lock_pins_everything_that_the_project_asks_for_and_names_no_address(build: str) -> None:
    text = (ROOT / "locks" / f"{build}.txt").read_text() + (ROOT / "locks" / "torch-cpu.txt").read_text()
    assert "://" not in text
    locked = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    versions = {(one.name.lower().replace(".", "-"), str(one.specifier)) for one in locked}
    assert all(re.fullmatch(r"==[^,*]+", specifier) for _, specifier in versions)
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(one for extra in ("discord", "slack", "postgres", "dev", build) for one in extras[extra]),
    ]
    for requirement in map(Requirement, wanted):
        name = requirement.name.lower().replace(".", "-")
        found = [specifier.removeprefix("==") for locked_name, specifier in versions if locked_name == name]
        assert found, f"{name} is not in locks/{build}.txt: run make lock"
        assert all(requirement.specifier.contains(version) for version in found)


def test_the_set_up_says_what_is_wrong_with_what_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy" / "setup.sh"
    script.write_bytes((ROOT / "deploy" / "setup.sh").read_bytes())
    said = subprocess.run(
        ["bash", script], env={"PATH": "/usr/bin:/bin", "GPU": "2"}, capture_output=True, text=True
    )
    assert said.returncode == 2
    assert "GPU is '2'" in said.stderr


# Makes environments that hold itself; finds PyTorch on its own index alone, and libnuma unless told not to.
# The real model never comes.
FAKE_PYTHON = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
if [[ "$*" == "-m venv .venv" ]]; then mkdir -p .venv/bin && cp "$0" .venv/bin/python; exit; fi
if [[ "$*" == *libnuma* ]]; then [ -z "${NO_LIBNUMA:-}" ]; exit; fi
if [[ "$*" == *smollm2* ]]; then exit 1; fi
[[ "$*" != *torch-cpu.txt* || "$*" == *--index-url* ]]
"""


def set_up(folder: Path, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Set up in this folder with the fake Python; what it installed."""
    for name in (
        "deploy/setup.sh",
        "locks/cpu.txt",
        "locks/cuda.txt",
        "locks/torch-cpu.txt",
        "pyproject.toml",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    python, calls = folder / "fake-python", folder / "calls"
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    calls.write_text("")
    ended = subprocess.run(
        ["bash", folder / "deploy" / "setup.sh"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python), "CALLS": str(calls), **environment},
        capture_output=True,
        text=True,
    )
    return ended, [line for line in calls.read_text().splitlines() if "pip install" in line]


def test_pytorchs_own_index_is_named_for_pytorch_alone_and_only_where_pip_finds_no_cpu_build(
    tmp_path: Path,
) -> None:
    ended, installs = set_up(tmp_path, GPU="0")
    assert ended.returncode == 0, ended
    assert [re.findall(r"-r (\S+)|-e (\S+)", line) for line in installs] == [
        [("locks/torch-cpu.txt", "")],
        [("locks/torch-cpu.txt", "")],
        [("locks/cpu.txt", "")],
        [("", ".")],
    ]
    assert ["--index-url" in line for line in installs] == [False, True, False, False]
    assert all("--no-deps" in line for line in installs)
    assert set_up(tmp_path, GPU="0")[1] == []  # the second installs nothing


def test_without_the_real_model_the_set_up_is_done_all_the_same_and_asks_once(tmp_path: Path) -> None:
    ended, _ = set_up(tmp_path, GPU="0")
    assert ended.returncode == 0, ended
    assert "-m engine.models.smollm2" in (tmp_path / "calls").read_text()
    set_up(tmp_path, GPU="0")
    assert "smollm2" not in (tmp_path / "calls").read_text()


def test_an_environment_of_the_other_build_is_made_anew(tmp_path: Path) -> None:
    set_up(tmp_path, GPU="0")
    left = tmp_path / ".venv" / "left-by-the-cpu-build"
    left.touch()
    ended, _ = set_up(tmp_path, GPU="1")
    assert ended.returncode == 0, ended
    assert not left.exists()
    assert [path.name.split("-")[1] for path in (tmp_path / ".venv").glob("nightloom-*")] == ["cuda"]


def test_a_missing_system_library_is_told_before_anything_is_downloaded_or_removed(tmp_path: Path) -> None:
    set_up(tmp_path, GPU="1")
    ended, installs = set_up(tmp_path, GPU="0", NO_LIBNUMA="1")
    assert (ended.returncode, installs) == (2, [])
    assert "apt-get install libnuma1" in ended.stderr
    assert [path.name.split("-")[1] for path in (tmp_path / ".venv").glob("nightloom-*")] == ["cuda"]
