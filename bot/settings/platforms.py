"""The platforms: the web chat, Discord, Slack. Each platform's adapter gets its own section."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr

from bot.settings.section import Section
from engine.types import Mode

MISSED_MAX_AGE_S: Final = 3600.0


class WebSettings(Section):
    enabled: bool = Field(default=True, description="the web chat, its JSON interface, health and metrics")
    host: str = Field(default="127.0.0.1", description="where it listens; `0.0.0.0` is everywhere")
    port: int = Field(default=8765, ge=0, le=65535, description="where it listens; 0 takes any free port")
    token: SecretStr | None = Field(
        default=None, description="opens it; default: made at first start, kept in the data folder"
    )


class DiscordSettings(Section):
    token: SecretStr | None = Field(default=None, description="the bot's token; without it Discord is off")
    api_url: str | None = Field(default=None, description="another server that speaks Discord's interface")
    gateway_url: str | None = Field(default=None, description="that server's gateway, as ws://HOST:PORT/")
    allowed_servers: tuple[int, ...] = Field(
        default=(), description="ids of the servers it answers in; empty: all"
    )
    allowed_channels: tuple[int, ...] = Field(
        default=(), description="ids of the channels it answers in; empty: all"
    )
    allowed_roles: tuple[int, ...] = Field(
        default=(), description="ids of roles, one of which a person must have; empty: none"
    )
    allowed_people: tuple[int, ...] = Field(
        default=(), description="ids of the people it answers; empty: all"
    )
    blocked_people: tuple[int, ...] = Field(default=(), description="ids of people it never answers")
    operators: tuple[int, ...] = Field(default=(), description="ids of the people who may start a night")
    shards: int | None = Field(
        default=None, ge=1, description="how many shards; default: as many as Discord advises"
    )
    shard_ids: tuple[int, ...] = Field(
        default=(), description="the shards that this process runs, of `shards`; empty: all"
    )
    progress_after_s: float = Field(
        default=10.0, ge=0, description="seconds after which an answer in the making says how far it is"
    )
    missed_max_age_s: float = Field(
        default=MISSED_MAX_AGE_S,
        ge=0,
        description="mentions that came while it was away are answered up to this age; 0: never",
    )
    channel_modes: dict[int, Mode] = Field(
        default={}, description="how much search answers get, by channel id"
    )
    channel_rubrics: dict[int, Path] = Field(default={}, description="another rubric file, by channel id")


class SlackSettings(Section):
    bot_token: SecretStr | None = Field(default=None, description="`xoxb-…`; without it Slack is off")
    app_token: SecretStr | None = Field(default=None, description="`xapp-…`, for Socket Mode")
    signing_secret: SecretStr | None = Field(
        default=None, description="for events over HTTP, instead of the app token"
    )
    client_id: str | None = Field(default=None, description="to be installed in several workspaces (OAuth)")
    client_secret: SecretStr | None = Field(
        default=None, description="to be installed in several workspaces (OAuth)"
    )
    api_url: str | None = Field(default=None, description="another server that speaks Slack's interface")
    allowed_teams: tuple[str, ...] = Field(
        default=(), description="ids of the workspaces it answers in; empty: all"
    )
    allowed_channels: tuple[str, ...] = Field(
        default=(), description="ids of the channels it answers in; empty: all"
    )
    allowed_people: tuple[str, ...] = Field(
        default=(), description="ids of the people it answers; empty: all"
    )
    operators: tuple[str, ...] = Field(default=(), description="ids of the people who may start a night")
    missed_max_age_s: float = Field(
        default=MISSED_MAX_AGE_S,
        ge=0,
        description="messages that came while it was away are answered up to this age; 0: never",
    )
    channel_modes: dict[str, Mode] = Field(
        default={}, description="how much search answers get, by channel id"
    )
    channel_rubrics: dict[str, Path] = Field(default={}, description="another rubric file, by channel id")
