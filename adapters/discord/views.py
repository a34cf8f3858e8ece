"""Buttons as Discord draws them. Knows no button's effect: `on_press` is told when a button is pressed.

A button's custom id carries its kind and target. So buttons under old messages work after a restart.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias  # discord.py's generic parameters of items

import discord

from bot.events import Action, ActionKind

OnPress: TypeAlias = Callable[[discord.Interaction, ActionKind, str], Awaitable[None]]

MAX_CUSTOM_ID_CHARS = 100
MAX_LABEL_CHARS = 80
MAX_BUTTONS = 25

_STYLES = {
    ActionKind.LEARN_ON: discord.ButtonStyle.success,
    ActionKind.TAKE: discord.ButtonStyle.primary,
}


def button_class(on_press: OnPress) -> type[discord.ui.DynamicItem[discord.ui.Button[Any]]]:
    """The class of all buttons, to be registered with the client."""

    class ActionButton(
        discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"nl:(?P<kind>[a-z_]+):(?P<target>(?s:.+))"
    ):
        def __init__(self, item: discord.ui.Button[Any], kind: ActionKind, target: str) -> None:
            super().__init__(item)
            self.kind = kind
            self.target = target

        @classmethod
        async def from_custom_id(
            cls,
            interaction: discord.Interaction,
            item: discord.ui.Item[Any],
            match: re.Match[str],
            /,
        ) -> ActionButton:
            assert isinstance(item, discord.ui.Button)
            return cls(item, ActionKind(match["kind"]), match["target"])

        async def callback(self, interaction: discord.Interaction) -> None:
            await on_press(interaction, self.kind, self.target)

    return ActionButton


def buttons(actions: Sequence[Action]) -> discord.ui.View | None:
    """The actions as rows of buttons; None without any."""
    if not actions:
        return None
    view = discord.ui.View(timeout=None)
    seen: set[str] = set()
    for action in actions[:MAX_BUTTONS]:
        custom_id = f"nl:{action.kind.value}:{action.target}"
        if len(custom_id) > MAX_CUSTOM_ID_CHARS or custom_id in seen:
            continue
        seen.add(custom_id)
        style = _STYLES.get(action.kind, discord.ButtonStyle.secondary)
        view.add_item(
            discord.ui.Button(label=action.label[:MAX_LABEL_CHARS], custom_id=custom_id, style=style)
        )
    return view if seen else None
