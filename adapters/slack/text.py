"""Markdown as models write it → Slack's mrkdwn, in which nothing pings. Pure.

Slack reads `<…>` as links, mentions and `<!channel>`; escaped, they are text. Code keeps every character.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_LINK = re.compile(r"\[([^\]\n|]+)\]\((https?://[^\s)|]+)\)")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*|__(?=\S)(.+?)(?<=\S)__")
_STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*?)[ \t]*#*$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*+][ \t]+(?=\S)", re.MULTILINE)


def escape(text: str) -> str:
    """Slack's three control characters as entities: afterwards nothing in it is a link or a ping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """What a person typed, from what Slack sent."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def to_mrkdwn(markdown: str) -> str:
    """The same text as Slack shows it best. Quotes, code, links, bold, headings and lists keep their look."""
    pieces = _CODE.split(markdown)
    return "".join(escape(piece) if index % 2 else _prose(piece) for index, piece in enumerate(pieces))


def _prose(text: str) -> str:
    text = re.sub(r"^&gt;", ">", escape(text), flags=re.MULTILINE)
    text = _HEADING.sub(r"*\1*", text)
    text = _BULLET.sub(r"\1• ", text)
    text = _BOLD.sub(_wrapped("*"), text)
    text = _STRUCK.sub(_wrapped("~"), text)
    return _LINK.sub(r"<\2|\1>", text)


def _wrapped(mark: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{mark}{next(group for group in match.groups() if group)}{mark}"


def without_mention(text: str, bot: str) -> str:
    """What was said to the bot, without its name in it."""
    return re.sub(rf"<@{re.escape(bot)}(\|[^>]*)?>", "", text).strip()
