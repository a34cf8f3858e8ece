"""What Slack says to an app's manifest: the rules for a new app. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any  # a manifest is nested YAML

# docs.slack.dev, App manifest reference.
MAX_NAME_CHARS = 35
MAX_DESCRIPTION_CHARS = 140
LONG_DESCRIPTION_CHARS = range(174, 4_001)
MAX_AGENT_DESCRIPTION_CHARS = 300
MAX_PROMPTS = 4
ASSISTANT_EVENTS = {"assistant_thread_started", "assistant_thread_context_changed"}
# docs.slack.dev, each event's "Required scopes".
SCOPE_OF_EVENT = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}


def complaints_about_manifest(manifest: dict[str, Any]) -> list[str]:
    """Everything for which Slack would not create the app."""
    features = manifest["features"]
    scopes = set(manifest["oauth_config"]["scopes"]["bot"])
    events = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    return [
        *_about_texts(manifest["display_information"]),
        *_about_agent(features, scopes, events),
        *(
            f"{event} needs {SCOPE_OF_EVENT[event]}"
            for event in events
            if SCOPE_OF_EVENT.get(event) not in {None, *scopes}
        ),
    ]


def _about_texts(shown: dict[str, Any]) -> Iterator[str]:
    if len(shown["name"]) > MAX_NAME_CHARS:
        yield "the name is too long"
    if len(shown.get("description", "")) > MAX_DESCRIPTION_CHARS:
        yield "the description is too long"
    if "long_description" in shown and len(shown["long_description"]) not in LONG_DESCRIPTION_CHARS:
        yield "the long description has not 174 to 4,000 characters"


def _about_agent(features: dict[str, Any], scopes: set[str], events: set[str]) -> Iterator[str]:
    # docs.slack.dev, Migrating to the Agent messaging experience: since 2026-06-30 new apps are agents only.
    if "assistant_view" in features or events & ASSISTANT_EVENTS:
        yield "a new app cannot be an assistant: use agent_view"
    agent = features.get("agent_view")
    if agent is None:
        return
    if not 0 < len(agent.get("agent_description", "")) <= MAX_AGENT_DESCRIPTION_CHARS:
        yield "agent_description is missing or too long"
    if len(agent.get("suggested_prompts", [])) > MAX_PROMPTS:
        yield "too many suggested prompts"
    if "assistant:write" not in scopes:
        yield "agent_view needs assistant:write"
    if not features.get("app_home", {}).get("messages_tab_enabled"):
        yield "an agent's conversations are in the Messages tab, which is off"
