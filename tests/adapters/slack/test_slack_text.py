from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.text import (
    escape,
    to_mrkdwn,
    unescape,
    without_mention,
)

LINK = re.compile(r"<(https?://[^|>]+)\|([^>]+)>")


def test_bold_headings_lists_and_links_take_slacks_form() -> None:
    markdown = "# Tea\n- **hot**\n- see [here](https://example.org/a)\n~~cold~~"
    assert to_mrkdwn(markdown) == "*Tea*\n• *hot*\n• see <https://example.org/a|here>\n~cold~"


def test_code_keeps_its_stars_and_dashes() -> None:
    assert to_mrkdwn("```\n- **x** < y\n```") == "```\n- **x** &lt; y\n```"
    assert to_mrkdwn("use `**kwargs`") == "use `**kwargs`"


def test_mentions_from_the_model_are_text() -> None:
    shown = to_mrkdwn("hey <!channel>, <@U1> and <!subteam^S1>")
    assert "<" not in shown
    assert unescape(shown) == "hey <!channel>, <@U1> and <!subteam^S1>"


def test_a_quote_stays_a_quote() -> None:
    assert to_mrkdwn("> said\nso") == "> said\nso"


@given(st.text(alphabet=st.sampled_from("<>!@#*_~`|[]()&abc \n-")))
def test_nothing_that_is_no_web_link_can_ping(markdown: str) -> None:
    assert "<" not in LINK.sub("", to_mrkdwn(markdown))


@given(st.text())
def test_escaping_loses_nothing(text: str) -> None:
    assert unescape(escape(text)) == text


def test_the_mention_is_taken_out_of_what_was_said() -> None:
    assert without_mention("<@UBOT|nightloom> hello <@U2>", "UBOT") == "hello <@U2>"
