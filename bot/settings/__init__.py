"""One frozen Settings, read once and handed out in parts.

Each section is a class of its own; each setting has a help line and one default. A key that is unknown is an
error that names the nearest right one. Secrets are in no repr and no log.
"""

from bot.settings.answers import BackendSettings, LimitSettings
from bot.settings.everything import DatabaseSettings, LogSettings, Settings
from bot.settings.keys import TABLES, described, settings_file, variable
from bot.settings.learning import LearningSettings
from bot.settings.platforms import DiscordSettings, SlackSettings, WebSettings
from bot.settings.reading import SettingsError, load, read

__all__ = [
    "TABLES",
    "BackendSettings",
    "DatabaseSettings",
    "DiscordSettings",
    "LearningSettings",
    "LimitSettings",
    "LogSettings",
    "Settings",
    "SettingsError",
    "SlackSettings",
    "WebSettings",
    "described",
    "load",
    "read",
    "settings_file",
    "variable",
]
