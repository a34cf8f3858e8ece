"""Settings come from one file and the environment; what is wrong is told at once, and secrets are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import settings
from bot.settings import SettingsError, load
from engine.types import Mode


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems() -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load()
    return refused.value.problems


def test_without_any_setting_the_web_chat_runs_on_the_real_model_that_comes_along() -> None:
    read = load()
    assert (read.model, read.backend.kind, read.web.enabled, read.web.host) == (
        "smollm2",
        "vllm",
        True,
        "127.0.0.1",
    )
    assert read.discord.token is None
    assert read.slack.bot_token is None


def test_nothing_is_learned_on_discord_and_slack_until_the_operator_says_so() -> None:
    learning = load().learning
    assert not learning.discord.acknowledged
    assert not learning.slack.acknowledged


def test_the_environment_overrides_the_file_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("nightloom.toml").write_text('model = "m"\n[web]\nport = 1\nhost = "h"\n', encoding="utf-8")
    monkeypatch.setenv("NIGHTLOOM_WEB__PORT", "2")
    read = load()
    assert (read.model, read.web.port, read.web.host) == ("m", 2, "h")


def test_the_names_that_scripts_rely_on_are_settings() -> None:
    keys = {key for key, _, _ in settings.described()}
    assert keys >= {
        "data",
        "database.url",
        "model",
        "backend.kind",
        "web.enabled",
        "web.host",
        "web.port",
        "web.token",
        "discord.token",
        "discord.api_url",
        "discord.gateway_url",
        "discord.allowed_servers",
        "discord.allowed_channels",
        "discord.allowed_roles",
        "discord.allowed_people",
        "slack.bot_token",
        "slack.app_token",
        "slack.signing_secret",
        "slack.api_url",
        "slack.allowed_teams",
        "slack.allowed_channels",
        "slack.allowed_people",
        "learning.discord.acknowledged",
        "learning.slack.acknowledged",
    }


def test_lists_and_tables_are_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_DISCORD__ALLOWED_SERVERS", "[1, 2]")
    monkeypatch.setenv("NIGHTLOOM_REACTIONS", '{"🦙": 5}')
    read = load()
    assert read.discord.allowed_servers == (1, 2)
    assert dict(read.reactions) == {"🦙": 5}


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("NIGHTLOOM_DISCORD__ALLOWED_SERVERS", "123,456", "write a list, in the environment as JSON: [1, 2]"),
        ("NIGHTLOOM_SLACK__ALLOWED_TEAMS", "T1", "write a list"),
        ("NIGHTLOOM_SLACK__CHANNEL_MODES", "C1=fast", "write a table"),
        ("NIGHTLOOM_REACTIONS", "👍", "write a table"),
    ],
)
def test_a_list_or_table_that_is_no_json_is_told_with_how_to_write_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems()
    assert f"({name}): {advice}" in problem


def test_what_is_right_is_read_beside_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("nightloom.toml").write_text(
        'model = "m"\n[web]\nport = "many"\nhost = "h"\nhots = "i"\n[reactions]\n"🦙" = 9\n', encoding="utf-8"
    )
    monkeypatch.setenv("NIGHTLOOM_DISCORD__ALLOWED_SERVERS", "[1, true, {}]")
    monkeypatch.setenv("NIGHTLOOM_DISCORD__CHANNEL_MODES", '{"1": "fast", "2": "slow"}')
    read, told = settings.read()
    assert (read.model, read.web.host, read.web.port) == ("m", "h", 8765)
    assert (read.discord.allowed_servers, read.discord.channel_modes) == ((), {1: Mode.FAST})
    assert len(told) == 5


def test_without_a_file_that_can_be_read_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("nightloom.toml").write_text("model = ", encoding="utf-8")
    monkeypatch.setenv("NIGHTLOOM_WEB__PORT", "2")
    read, told = settings.read()
    assert (read.web.port, len(told)) == (2, 1)


def test_a_rank_that_is_not_served_is_told_before_it_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_LEARNING__RANK", "32")
    (problem,) = problems()
    assert "NIGHTLOOM_LEARNING__RANK" in problem
    assert "NIGHTLOOM_BACKEND__MAX_LORA_RANK" in problem
    monkeypatch.setenv("NIGHTLOOM_BACKEND__MAX_LORA_RANK", "32")
    assert load().learning.rank == 32


def test_every_setting_has_a_help_line() -> None:
    assert [key for key, text, _ in settings.described() if not text] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NIGHTLOOM_WEB__PROT", "NIGHTLOOM_WEB__PORT"),
        ("NIGHTLOOM_DATABSE__URL", "NIGHTLOOM_DATABASE__URL"),
        ("NIGHTLOOM_PORT", "NIGHTLOOM_WEB__PORT"),
        ("NIGHTLOOM_WEB_PORT", "NIGHTLOOM_WEB__PORT"),
        ("NIGHTLOOM_LEARNING__DISCORD__ACKNOWLEGED", "NIGHTLOOM_LEARNING__DISCORD__ACKNOWLEDGED"),
    ],
)
def test_an_unknown_variable_is_told_with_the_nearest_right_one(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    (problem,) = problems()
    assert problem == f"{name} is no setting. Did you mean {meant}?"


def test_an_unknown_key_of_the_file_is_told_with_the_nearest_right_one() -> None:
    Path("nightloom.toml").write_text("[limits]\nbudget_token = 5\n", encoding="utf-8")
    (problem,) = problems()
    assert problem == "nightloom.toml: limits.budget_token is no setting. Did you mean limits.budget_tokens?"


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_WEB__PORT", "many")
    monkeypatch.setenv("NIGHTLOOM_LIMITS__MODE", "slow")
    monkeypatch.setenv("NIGHTLOOM_NONSENSE", "1")
    told = "\n".join(problems())
    assert all(
        part in told for part in ("NIGHTLOOM_WEB__PORT", "NIGHTLOOM_LIMITS__MODE", "NIGHTLOOM_NONSENSE")
    )


@pytest.mark.parametrize("text", ["model = ", "\x00", 'model = ["a"]'])
def test_a_file_that_is_no_settings_file_is_told(text: str) -> None:
    Path("nightloom.toml").write_text(text, encoding="utf-8")
    assert problems()


def test_a_named_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_CONFIG", "nowhere.toml")
    assert "nowhere.toml, which is not there" in problems()[0]


@pytest.mark.parametrize(("emoji", "rating"), [("👍", 6), ("no emoji", 3)])
def test_a_map_of_reactions_that_makes_no_sense_is_told(
    monkeypatch: pytest.MonkeyPatch, emoji: str, rating: int
) -> None:
    monkeypatch.setenv("NIGHTLOOM_REACTIONS", f'{{"{emoji}": {rating}}}')
    assert "reactions" in problems()[0]


def test_secrets_are_in_no_repr_and_in_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_DATABASE__URL", "postgresql://me:hunter2@host/name")
    for name in (
        "WEB__TOKEN",
        "DISCORD__TOKEN",
        "SLACK__BOT_TOKEN",
        "SLACK__APP_TOKEN",
        "SLACK__SIGNING_SECRET",
    ):
        monkeypatch.setenv(f"NIGHTLOOM_{name}", "hunter2")
    assert "hunter2" not in repr(load()) + str(load())
    monkeypatch.setenv("NIGHTLOOM_WEB__PORT", "hunter2")
    assert "hunter2" not in "".join(problems())


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().limits.mode = Mode.FAST


def test_what_is_asked_for_on_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLOOM_MODEL", "another")
    assert load(model="practice").model == "practice"
