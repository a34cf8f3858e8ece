"""All sections together: everything that an operator decides. Reads neither file nor environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.ratings import DEFAULT_RATINGS, is_emoji
from bot.settings.answers import BackendSettings, LimitSettings
from bot.settings.learning import ComparisonSettings, LearningSettings, MemorySettings
from bot.settings.platforms import DiscordSettings, SlackSettings, WebSettings
from bot.settings.section import Section

PREFIX: Final = "NIGHTLOOM_"


class DatabaseSettings(Section):
    url: SecretStr | None = Field(
        default=None,
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; default: in the data folder",
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what is logged")
    form: Literal["auto", "human", "json"] = Field(
        default="auto", description="`auto`: human in a terminal, JSON elsewhere"
    )


def _ratings(ratings: Mapping[str, int]) -> Mapping[str, int]:
    for symbol, rating in ratings.items():
        if not is_emoji(symbol):
            raise ValueError(f"{symbol!r} is no emoji: write one such as 👍 or :name:")
        if not 1 <= rating <= 5:
            raise ValueError(f"{symbol} is rated {rating}: write a number from 1 to 5")
    return ratings


class Settings(BaseSettings):
    """Everything that an operator decides. `load` reads it; made by hand, it is what is given and no more."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )

    data: Path = Field(
        default=Path("nightloom-data"), description="folder of the database, the LoRAs and the token"
    )
    model: str = Field(
        default="smollm2",
        description="`smollm2`, `practice` (a toy), a folder, a GGUF file, or a name on the hub",
    )
    persona: str = Field(
        default="", description="how the bot is told to be; default: as the model says of itself"
    )
    rubric: Path | None = Field(
        default=None, description="file of what is looked for in replies; default: the one that ships"
    )
    lexicon: Path | None = Field(
        default=None, description="file of what critiques mean, by language; default: the one that ships"
    )
    reactions: Annotated[Mapping[str, int], AfterValidator(_ratings)] = Field(
        default=dict(DEFAULT_RATINGS), description="the rating, 1 to 5, that each emoji stands for"
    )
    database: DatabaseSettings = Field(default=DatabaseSettings(), description="where everything is kept")
    backend: BackendSettings = Field(default=BackendSettings(), description="what runs the model")
    limits: LimitSettings = Field(default=LimitSettings(), description="what an answer may cost")
    web: WebSettings = Field(default=WebSettings(), description="the web chat")
    discord: DiscordSettings = Field(default=DiscordSettings(), description="Discord")
    slack: SlackSettings = Field(default=SlackSettings(), description="Slack")
    learning: LearningSettings = Field(default=LearningSettings(), description="what is learned by night")
    memory: MemorySettings = Field(default=MemorySettings(), description="what is remembered by day")
    comparison: ComparisonSettings = Field(
        default=ComparisonSettings(), description="asking which of two answers is better"
    )
    log: LogSettings = Field(default=LogSettings(), description="what it says of itself")

    @property
    def database_url(self) -> str:
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return f"sqlite:///{self.data.absolute() / 'nightloom.db'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
