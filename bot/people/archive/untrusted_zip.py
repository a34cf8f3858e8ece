"""Opens a zip that nobody vouches for. Knows nothing of what its files mean."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Sequence
from typing import Final

from bot.errors import Refused

MAX_ARCHIVE_BYTES: Final = 64 * 2**20
MAX_UNPACKED_BYTES: Final = 256 * 2**20
MAX_FILES: Final = 2_000
MAX_RATIO: Final = 200  # unpacked to packed; text packs to a tenth, a bomb to a thousandth
RATIO_COUNTS_FROM_BYTES: Final = 2**20

_ARCHIVE_NAMES: Final = re.compile(
    r"\.(zip|jar|whl|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|lz4|7z|rar|cab|iso)$", re.IGNORECASE
)
_PICKLE_NAMES: Final = re.compile(r"\.(pkl|pickle|pt|pth|ckpt|joblib|npy|bin)$", re.IGNORECASE)
_ARCHIVE_STARTS: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"\xfd7zXZ",
    b"Rar!",
    b"(\xb5/\xfd",
)


def unzip(packed: bytes) -> dict[str, bytes]:
    """The files of a zip that nobody vouches for. Raises Refused, before anything was used of it."""
    if len(packed) > MAX_ARCHIVE_BYTES:
        raise Refused("archive_too_large", f"The archive is larger than {MAX_ARCHIVE_BYTES // 2**20} MiB.")
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as zipped:
            members = [info for info in zipped.infolist() if not info.is_dir()]
            _check_members(members)
            files = {info.filename: _unpacked(zipped, info) for info in members}
            if sum(map(len, files.values())) > MAX_UNPACKED_BYTES:
                raise _bomb()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:
        raise Refused(
            "archive_damaged", f"The archive is damaged or cut short ({error}). Make or download it again."
        ) from error
    for name, content in files.items():
        _check_content(name, content)
    return {name: content for name, content in files.items() if not name.startswith("__MACOSX/")}


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:
        raise Refused("archive_too_large", f"The archive holds more than {MAX_FILES} files.")
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise Refused("archive_unsafe", "The archive holds two files of one name.")
    for info in members:
        _check_name(info)
    if sum(info.file_size for info in members) > MAX_UNPACKED_BYTES or any(map(_is_bomb, members)):
        raise _bomb()


def _check_name(info: zipfile.ZipInfo) -> None:
    name = info.filename
    is_outside = name.startswith("/") or "\\" in name or ":" in name[:2] or ".." in name.split("/")
    if is_outside or stat.S_ISLNK(info.external_attr >> 16):
        raise Refused("archive_unsafe", f"The archive points outside of itself: {name[:200]!r}.")
    if info.flag_bits & 1:
        raise Refused(
            "archive_encrypted", "The archive is encrypted. Unpack it, and pack it without a password."
        )
    if _ARCHIVE_NAMES.search(name):
        raise _nested(name)
    if _PICKLE_NAMES.search(name):
        raise Refused("archive_unsafe", f"{name[:200]!r} may hold a program. Remove it from the archive.")


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    return info.file_size > RATIO_COUNTS_FROM_BYTES and info.file_size > MAX_RATIO * max(
        info.compress_size, 1
    )


def _unpacked(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's content, never more of it than its header says."""
    with zipped.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename[:200]!r} is not as long as it says")
    return content


def _check_content(name: str, content: bytes) -> None:
    if content.startswith(_ARCHIVE_STARTS) or content[257:262] == b"ustar":
        raise _nested(name)
    if re.match(rb"\x80[\x02-\x05][\x00-\xff]*\.\Z", content[:2] + content[-1:]):
        raise Refused("archive_unsafe", f"{name[:200]!r} may hold a program. Remove it from the archive.")


def _nested(name: str) -> Refused:
    return Refused(
        "archive_nested", f"The archive holds another one ({name[:200]!r}). Unpack that one first."
    )


def _bomb() -> Refused:
    return Refused(
        "archive_bomb",
        f"The archive would unpack to far more than it is. At most {MAX_UNPACKED_BYTES // 2**20} MiB.",
    )
