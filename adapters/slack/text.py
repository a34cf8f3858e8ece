"""Translates Markdown, as models write it, into Slack's mrkdwn, in which nothing pings. Pure.

Slack reads `<…>` as a link, a mention or `<!channel>`. Escaped it is plain text. Code keeps every character.
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
    """The text with Slack's three control characters as entities, so that it holds no link and no ping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The text as the person typed it."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def to_mrkdwn(markdown: str) -> str:
    """The text in Slack's own marks. Quotes, code, links, bold, headings and lists keep their look."""
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
    """The text without the bot's mention."""
    return re.sub(rf"<@{re.escape(bot)}(\|[^>]*)?>", "", text).strip()
