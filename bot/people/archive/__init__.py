"""What a person carries away, and brings again: an archive of our own."""

from bot.people.archive.form import JUDGE_FILES, LORA_FILES, is_own, read, write
from bot.people.archive.untrusted_zip import MAX_ARCHIVE_BYTES, unzip

__all__ = ["JUDGE_FILES", "LORA_FILES", "MAX_ARCHIVE_BYTES", "is_own", "read", "unzip", "write"]
