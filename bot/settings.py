"""One frozen Settings, read once from nightloom.toml and the environment. Nothing else reads either.

Each section is a class of its own; each setting has a help line. A key that is unknown is an error that
names the nearest right one. Secrets are in no repr and no log.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bot.errors import BotError
from bot.ratings import DEFAULT_RATINGS, is_emoji
from engine.types import TEMPERATURE, Mode

PREFIX: Final = "NIGHTLOOM_"
FILE_VARIABLE: Final = "NIGHTLOOM_CONFIG"
DEFAULT_FILE: Final = Path("nightloom.toml")


class SettingsError(BotError):
    """The settings cannot be used. `problems`: each with what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("settings", "\n".join(problems))
        self.problems = tuple(problems)


def _number(written: Any) -> Any:  # Any: whatever is written
    return int(written) if isinstance(written, str) and written.isdecimal() else written


Rank: TypeAlias = Annotated[Literal[8, 16, 32, 64, 128, 256], BeforeValidator(_number)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DatabaseSettings(Section):
    url: SecretStr | None = Field(
        default=None,
        description="`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; default: in the data folder",
    )


class BackendSettings(Section):
    kind: Literal["vllm", "servers", "scripted"] = Field(
        default="vllm",
        description="`vllm`: in process; `servers`: vLLM servers over HTTP; `scripted`: an echo, for tests",
    )
    urls: tuple[str, ...] = Field(
        default=(), description="with `servers`: the servers' addresses, as http://gpu1:8000"
    )
    max_context: int = Field(
        default=4096, ge=256, description="tokens of prompt and reply together, at most the model's own"
    )
    temperature: float = Field(
        default=TEMPERATURE,
        gt=0,
        le=2,
        description="how freely replies are sampled; 1: as the model was trained",
    )
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the likeliest next tokens that replies are sampled from",
    )
    gpu_memory_share: float = Field(
        default=0.85, gt=0, le=1, description="share of a GPU's memory that vLLM takes"
    )
    cpu_cache_gib: int = Field(default=1, ge=1, description="GiB that vLLM's KV cache takes on a CPU")
    max_loras: int = Field(
        default=8, ge=1, description="LoRAs that answer at the same time; more are swapped in as needed"
    )
    max_lora_rank: Rank = Field(default=16, description="the largest rank that is served")
    start_timeout_s: float = Field(
        default=900, gt=0, description="with `servers`: seconds within which the first of them must answer"
    )
    delay_s: float = Field(default=0.0, ge=0, description="with `scripted`: seconds that each call takes")


class LimitSettings(Section):
    mode: Mode = Field(
        default=Mode.AUTO, description="how much search an answer gets: `fast`, `best`, `weave` or `auto`"
    )
    budget_tokens: int = Field(
        default=2304, ge=16, description="tokens generated for one answer, over all branches"
    )
    deadline_s: float = Field(
        default=60.0, gt=0, description="seconds after which the best answer so far is taken"
    )
    samples: int = Field(default=8, ge=1, le=64, description="whole samples in mode `best`")
    max_reply_tokens: int = Field(default=256, ge=1, description="tokens of one answer")
    max_message_chars: int = Field(default=16_000, ge=1, description="characters of one question or remark")
    messages_per_minute: int = Field(
        default=240, ge=1, description="questions and remarks of one person, in a minute"
    )
    waiting_per_person: int = Field(
        default=300, ge=1, description="of one person, that may wait to be answered"
    )
    waiting: int = Field(default=10_000, ge=1, description="of all people, that may wait to be answered")
    at_once: int = Field(default=32, ge=1, description="people who are answered at the same time")
    tries: int = Field(default=4, ge=1, description="how often an answer is tried before it is given up")
    conversation_gap_hours: float = Field(
        default=12.0,
        gt=0,
        description="on chat platforms, outside threads: silence after which a new conversation begins",
    )


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
        default=3600.0,
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
        default=3600.0,
        ge=0,
        description="messages that came while it was away are answered up to this age; 0: never",
    )
    channel_modes: dict[str, Mode] = Field(
        default={}, description="how much search answers get, by channel id"
    )
    channel_rubrics: dict[str, Path] = Field(default={}, description="another rubric file, by channel id")


class PlatformLearningSettings(Section):
    acknowledged: bool = Field(
        default=False,
        description="you have the right to train on what people write there; until then nothing is learned",
    )


class LearningSettings(Section):
    discord: PlatformLearningSettings = Field(
        default=PlatformLearningSettings(), description="learning on Discord"
    )
    slack: PlatformLearningSettings = Field(
        default=PlatformLearningSettings(), description="learning on Slack"
    )
    hour: int = Field(
        default=3,
        ge=0,
        le=23,
        description="the hour, in each person's own time zone, after which a night may begin",
    )
    min_feedback: int = Field(
        default=8, ge=1, description="new pieces of feedback that make a night worth its while"
    )
    replies: int = Field(
        default=48, ge=8, description="replies that a night makes for one person, to learn their notes from"
    )
    judged_pairs: int = Field(
        default=2,
        ge=0,
        description="requests that a night answers anew by search, to learn best over worst from",
    )
    evaluator: Literal["shared", "own"] = Field(
        default="shared",
        description="the judge's LoRA: `shared` with the person's answers, or its `own`, trained beside it",
    )
    gpu: Literal["share", "sleep"] = Field(
        default="share",
        description="on a GPU, while a training runs: vLLM may `share` the memory with it, or `sleep`",
    )
    passes: int = Field(default=2, ge=1, description="how often a night goes through what there is to learn")
    rank: Rank = Field(default=8, description="rank of a LoRA; at most backend.max_lora_rank")
    rate: float | None = Field(
        default=None, gt=0, description="learning rate; default: by the width of the model"
    )
    promote_at: float = Field(
        default=0.8, gt=0, lt=1, description="how probably better a new LoRA must be to go live"
    )
    keep: int = Field(default=4, ge=2, description="versions of a person's LoRA that stay on the disk")
    memory_gib: float = Field(default=8.0, gt=0, description="GiB that the training may take")
    deadline_hours: float = Field(default=4.0, gt=0, description="hours after which a training is ended")


class MemorySettings(Section):
    budget_tokens: int = Field(
        default=768, ge=0, description="tokens of notes, facts and examples in a prompt"
    )
    max_notes: int = Field(
        default=24, ge=0, description="standing notes of one person that are active at once"
    )
    max_examples: int = Field(default=1, ge=0, description="earlier answers that are shown to the model")


class DuelSettings(Section):
    one_in: int = Field(
        default=12, ge=0, description="of so many answers at most one shows two candidates; 0: never"
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
    model: str = Field(default="practice", description="`practice`, a folder, or a name on the hub")
    persona: str = Field(default="", description="how the bot is told to be; default: `You are Nightloom.`")
    rubric: Path | None = Field(
        default=None, description="file of the judge's questions; default: the one that ships"
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
    duels: DuelSettings = Field(default=DuelSettings(), description="asking which of two answers is better")
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


class _Environment(EnvSettingsSource):
    """The environment. A list that is no JSON is handed on as it is written, to be refused with its name."""

    def decode_complex_value(
        self, field_name: str, field: FieldInfo, value: Any
    ) -> Any:  # Any: as in the base
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def load(**wishes: Any) -> Settings:  # Any: values of settings, validated here
    """The settings of this process. Raises SettingsError with everything that is wrong at once."""
    settings, problems = read(**wishes)
    if problems:
        raise SettingsError(problems)
    return settings


def read(**wishes: Any) -> tuple[Settings, Sequence[str]]:  # Any: values of settings, validated here
    """The settings of this process, with defaults in place of what is wrong; and everything that is wrong.

    The command line's own wishes go before the environment, that before nightloom.toml.
    """
    problems = [*_unknown_variables(os.environ), *_unknown_keys(settings_file())]
    values: dict[str, Any] = {}
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=settings_file())()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(f"The settings cannot be read: {error}")
    values = _merged(values, _merged(_Environment(Settings)(), wishes))
    try:
        settings = Settings(**values)
    except ValidationError as error:  # it would show the values, secrets among them: it goes no further
        wrong = error.errors()
        problems += [text for text in map(_worded, wrong) if text is not None]
        for one in wrong:
            _drop(values, one["loc"])
        settings = Settings(**values)
    rank, most = settings.learning.rank, settings.backend.max_lora_rank
    if rank > most:
        ways = f"lower {variable('learning.rank')} or raise {variable('backend.max_lora_rank')}"
        problems.append(f"LoRAs of rank {rank} are trained, and of rank {most} at most are served: {ways}.")
    return settings, problems


def settings_file() -> Path:
    """Where nightloom.toml is: here, or where NIGHTLOOM_CONFIG says."""
    return Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)


def described() -> Iterator[tuple[str, str, object]]:
    """(key, help line, default) of every setting, as `web.port`: for the README's table and `check`."""
    yield from _described(Settings, "")


def variable(key: str) -> str:
    """The environment's spelling of a key: `web.port` is NIGHTLOOM_WEB__PORT."""
    return PREFIX + key.upper().replace(".", "__")


def _described(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, object]]:
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from _described(section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or "", field.default


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:  # Any: values of settings
    """Both, section by section; where both say something, `high` wins."""
    merged = dict(low)
    for name, value in high.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _drop(values: dict[str, Any], where: Sequence[str | int]) -> None:  # Any: values of settings
    """Without the setting, or the table's entry, in which a problem lies."""
    name, *rest = where
    if rest and isinstance(values.get(str(name)), dict):
        _drop(values[str(name)], rest)
    else:
        values.pop(str(name), None)


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    known = {variable(key): key for key, _, _ in described()} | {FILE_VARIABLE: ""}
    tables = tuple(name for name, key in known.items() if key in TABLES)
    for name in sorted(environment):
        upper = name.upper()
        if (
            not upper.startswith(PREFIX)
            or upper in known
            or upper.startswith(tuple(f"{t}__" for t in tables))
        ):
            continue
        yield f"{name} is no setting.{_nearest(upper, known)}"


# Tables whose keys an operator chooses.
TABLES: Final = frozenset(
    {
        "reactions",
        "discord.channel_modes",
        "discord.channel_rubrics",
        "slack.channel_modes",
        "slack.channel_rubrics",
    }
)


def _unknown_keys(file: Path) -> Iterator[str]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if FILE_VARIABLE in os.environ:
            yield f"{FILE_VARIABLE} names {file}, which is not there."
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return  # told when the settings are read
    known = {key: key for key, _, _ in described()}
    for key in _keys(document, ""):
        if key not in known:
            yield f"{file}: {key} is no setting.{_nearest(key, known)}"


def _keys(document: Mapping[str, Any], prefix: str) -> Iterator[str]:  # Any: a TOML document
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in TABLES:
            yield from _keys(value, f"{key}.")
        else:
            yield key


HOW_TO_WRITE: Final = {
    "tuple_type": 'write a list, in the environment as JSON: [1, 2] or ["A", "B"]',
    "dict_type": 'write a table, in the environment as JSON: {"ID": "VALUE"}',
    "mapping_type": 'write a table, in the environment as JSON: {"KEY": VALUE}',
}


def _nearest(name: str, known: Mapping[str, str]) -> str:
    last = re.split(r"__|\.", name)[-1]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    near = near or [one for one in known if re.split(r"__|\.", one)[-1] == last][:1]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""


def _worded(error: Any) -> str | None:  # Any: pydantic's ErrorDetails, whose keys differ by kind
    """One problem in words. None: it is told already, as an unknown key. Never shows the value."""
    if error["type"] == "extra_forbidden":
        return None
    key = ".".join(str(part) for part in error["loc"])
    said = HOW_TO_WRITE.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{key} ({variable(key)}): {said}."
