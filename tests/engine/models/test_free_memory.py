"""What is free is the machine's, or what the container around this process leaves, whichever is less."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.models.free_memory import free_bytes

MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with 4 GiB to spare."""
    put(tmp_path, "proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nHugePages_Total: 0\n")
    return tmp_path


def put(root: Path, path: str, text: object) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def limited(root: Path, group: str, most: object, used: int) -> None:
    put(root, f"sys/fs/cgroup{group}/memory.max", most)
    put(root, f"sys/fs/cgroup{group}/memory.current", used)


def test_outside_a_container_it_is_what_the_machine_has(root: Path) -> None:
    assert free_bytes(root) == 4096 * MIB


def test_a_containers_limit_counts(root: Path) -> None:
    put(root, "proc/self/cgroup", "0::/")
    limited(root, "", 1024 * MIB, 100 * MIB)
    assert free_bytes(root) == 924 * MIB


def test_what_it_holds_of_files_is_free(root: Path) -> None:
    put(root, "proc/self/cgroup", "0::/")
    limited(root, "", 1024 * MIB, 1000 * MIB)
    put(root, "sys/fs/cgroup/memory.stat", f"anon 1\nactive_file {200 * MIB}\ninactive_file {300 * MIB}")
    assert free_bytes(root) == 524 * MIB


def test_of_groups_in_groups_the_tightest_counts(root: Path) -> None:
    put(root, "proc/self/cgroup", "0::/outer/inner")
    limited(root, "/outer", 512 * MIB, 12 * MIB)
    limited(root, "/outer/inner", "max", 12 * MIB)
    assert free_bytes(root) == 500 * MIB


def test_the_first_version_of_control_groups_counts_too(root: Path) -> None:
    put(root, "proc/self/cgroup", "4:memory:/docker/somewhere/on/the/host\n0::/")
    put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", 256 * MIB)
    put(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", 6 * MIB)
    assert free_bytes(root) == 250 * MIB


def test_where_the_system_says_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) is None
