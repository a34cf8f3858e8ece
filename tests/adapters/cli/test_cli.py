"""The command in a process of its own: what it says and how it ends, above all when something is wrong."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VERSIONS = ROOT / "bot" / "store" / "migrations" / "versions"

pytestmark = pytest.mark.real


# Root may write everywhere; without this capability it is refused what everybody is.
AS_ANYBODY = (
    ("setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
)


def nightloom(
    folder: Path, *arguments: str, before: Sequence[str] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, with its data there and the scripted backend."""
    wanted = {"DATA": str(folder / "data"), "BACKEND__KIND": "scripted", **settings}
    return subprocess.run(
        [*before, sys.executable, "-m", "adapters.cli.main", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            **{f"NIGHTLOOM_{key}": value for key, value in wanted.items()},
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refusal(ended: subprocess.CompletedProcess[str]) -> str:
    """The one line that a wrong configuration is answered with."""
    assert ended.returncode == 2, ended
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("nightloom: ")]
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_a_wrong_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    assert "NIGHTLOOM_WEB__PORT" in refusal(nightloom(tmp_path, "run", WEB__PORT="many"))


def test_a_corrupt_database_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nightloom.db").write_bytes(b"no database " * 1000)
    assert "restore it from a backup" in refusal(nightloom(tmp_path, "run"))


def test_a_read_only_database_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    assert nightloom(tmp_path, "db", "upgrade").returncode == 0
    file = tmp_path / "data" / "nightloom.db"
    file.chmod(0o444)
    ended = nightloom(tmp_path, "run", WEB__PORT="0", before=AS_ANYBODY)
    assert f"{file} is read-only: make file and folder writable" in refusal(ended)


def test_a_read_only_folder_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o555)
    assert str(data) in refusal(nightloom(tmp_path, "run", WEB__PORT="0", before=AS_ANYBODY))


def test_a_port_in_use_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "NIGHTLOOM_WEB__PORT" in refusal(nightloom(tmp_path, "run", WEB__PORT=port))


def test_a_model_folder_without_weights_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}", encoding="utf-8")
    ended = nightloom(tmp_path, "run", BACKEND__KIND="vllm", MODEL=str(tmp_path / "model"), WEB__PORT="0")
    assert "holds no weights" in refusal(ended)


def test_too_little_memory_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    wanted = {
        "BACKEND__KIND": "vllm",
        "MODEL": "practice",
        "BACKEND__CPU_CACHE_GIB": "1000000",
        "WEB__PORT": "0",
    }
    said = refusal(nightloom(tmp_path, "run", **wanted))
    assert re.search(r"needs about 1000\d+\.\d GiB of memory .* lower `cpu_cache_gib`", said)


def test_a_data_folder_that_cannot_be_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "NIGHTLOOM_DATA" in refusal(nightloom(tmp_path, "run", DATA=str(tmp_path / "file" / "data")))


def test_a_rubric_that_is_none_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "rubric.toml").write_text("[[question]]\n", encoding="utf-8")
    assert "rubric" in refusal(nightloom(tmp_path, "run", RUBRIC=str(tmp_path / "rubric.toml")))


def test_no_platform_at_all_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    assert "No platform is on" in refusal(nightloom(tmp_path, "run", WEB__ENABLED="false"))


def test_a_check_of_what_is_right_says_so(tmp_path: Path) -> None:
    ended = nightloom(tmp_path, "check", WEB__PORT="0")
    assert ended.returncode == 0, ended
    assert "✗" not in ended.stdout


def test_a_check_tells_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nightloom.db").write_bytes(b"no database " * 1000)
    ended = nightloom(
        tmp_path,
        "check",
        BACKEND__KIND="vllm",
        MODEL=str(tmp_path),
        RUBRIC=str(tmp_path / "nowhere.toml"),
        WEB__HOST="192.0.2.1",
    )
    assert ended.returncode == 2, ended
    wrong = [line for line in ended.stdout.splitlines() if line.startswith("✗")]
    assert [re.split("[ :]+", line)[1] for line in wrong] == ["database", "model", "rubric", "web"]


def test_a_database_is_brought_to_the_newest_schema(tmp_path: Path) -> None:
    ended = nightloom(tmp_path, "db", "upgrade")
    newest = max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
    assert (ended.returncode, ended.stdout) == (0, f"The database is at schema {newest}.\n")


def test_a_person_nobody_knows_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    assert "nobody called 'ann'" in refusal(nightloom(tmp_path, "me", "--person", "ann"))
    assert "nobody called 'ann'" in refusal(nightloom(tmp_path, "compare", "--person", "ann", "hello"))


def test_a_texts_import_export_and_erasure_go_by_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "voice.txt").write_text("I write like this.\n", encoding="utf-8")
    taken = nightloom(tmp_path, "import", "--person", "ann", "voice.txt")
    assert taken.returncode == 0, taken
    assert "ann" in nightloom(tmp_path, "people").stdout
    saved = nightloom(tmp_path, "export", "--person", "ann", "--out", "ann.zip")
    assert saved.returncode == 0, saved
    assert (tmp_path / "ann.zip").read_bytes().startswith(b"PK")
    assert "is there already" in refusal(nightloom(tmp_path, "export", "--person", "ann", "--out", "ann.zip"))
    erased = nightloom(tmp_path, "forget", "--person", "ann", "--yes")
    assert erased.returncode == 0, erased
    assert "ann" not in nightloom(tmp_path, "people").stdout


def test_a_person_is_blocked_and_answered_again(tmp_path: Path) -> None:
    assert "nobody called 'ann'" in refusal(nightloom(tmp_path, "block", "--person", "ann"))
    (tmp_path / "voice.txt").write_text("I write like this.\n", encoding="utf-8")
    nightloom(tmp_path, "import", "--person", "ann", "voice.txt")
    assert "unblock" in nightloom(tmp_path, "block", "--person", "ann").stdout
    assert "(blocked)" in nightloom(tmp_path, "people").stdout
    assert "again" in nightloom(tmp_path, "unblock", "--person", "ann").stdout
    assert "(blocked)" not in nightloom(tmp_path, "people").stdout


def test_a_night_for_nobody_says_so(tmp_path: Path) -> None:
    ended = nightloom(tmp_path, "night")
    assert ended.returncode == 0, ended
    assert "Nobody is due" in ended.stdout


def test_two_answers_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "voice.txt").write_text("I write like this.\n", encoding="utf-8")
    nightloom(tmp_path, "import", "--person", "ann", "voice.txt")
    ended = nightloom(tmp_path, "compare", "--person", "ann", "hello")
    assert ended.returncode == 0, ended
    assert ended.stdout.count("echo: hello") == 2
