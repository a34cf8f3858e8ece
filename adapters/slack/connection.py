"""Calls of Slack's Web API, with Slack's errors in the bot's terms. Knows no events and no messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar  # Any: the Web API speaks JSON

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.ports import ChatError, RateLimited, Undeliverable, Unreachable

T = TypeVar("T")


class TokenRefused(Unreachable):
    """Slack does not take the workspace's token, at least not now."""


TIMEOUT_S = 20
RATE_LIMIT_TRIES = 2
SHORT_WAIT_S = 5
PAGE = 200  # what Slack recommends at most
MAX_PAGES = 50
DOWNLOAD_TIMEOUT = aiohttp.ClientTimeout(total=120)

# Slack's own failures pass. Slack will repeat every other refusal.
_PASSING = {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}

# Slack does not take the token. The operator can mend that within minutes, so it passes too.
_TOKEN_REFUSED = {"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"}

_ADVICE = {
    "account_inactive": "the app was uninstalled; install it again",
    "channel_not_found": "the channel is gone, or the bot was never in it",
    "invalid_auth": "the bot token is wrong: see docs/slack.md, step 5",
    "is_archived": "the channel is archived",
    "not_in_channel": "the bot is not in the channel; invite it with /invite",
    "token_revoked": "the bot token was revoked; install the app again",
}


def new_client(token: str, api_url: str | None) -> AsyncWebClient:
    """A client that waits out short rate limits and repeats nothing else.

    The SDK's default also repeats a post whose connection broke. Such a post may then stand twice.
    """
    client = AsyncWebClient(token=token, timeout=TIMEOUT_S, base_url=api_url or AsyncWebClient.BASE_URL)
    client.retry_handlers = [_ShortRateLimits(max_retry_count=RATE_LIMIT_TRIES)]
    return client


class _ShortRateLimits(AsyncRateLimitErrorRetryHandler):
    """Waits out a short rate limit inside the call. A long rate limit is left to the caller."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or response.status_code != 429:
            return False
        told = next(
            (value for name, value in response.headers.items() if name.lower() == "retry-after"), ["1"]
        )
        return int(told[0]) <= SHORT_WAIT_S


async def call(client: AsyncWebClient, method: str, **arguments: Any) -> Mapping[str, Any]:
    """Call a method that writes. Its arguments are sent as JSON. Raises ChatError."""
    return await _checked(method, client.api_call(method, json=arguments))


async def read(client: AsyncWebClient, method: str, **arguments: Any) -> Mapping[str, Any]:
    """Call a method that reads. Slack takes its arguments only as a form. Raises ChatError."""
    return await _checked(method, client.api_call(method, data=arguments))


async def pages(
    client: AsyncWebClient, method: str, key: str, **arguments: Any
) -> AsyncIterator[Mapping[str, Any]]:
    """What stands under `key` on each page, up to MAX_PAGES pages. Raises ChatError."""
    cursor = ""
    for _ in range(MAX_PAGES):
        asked = {**arguments, "limit": PAGE, "cursor": cursor}
        page = await patiently(lambda asked=asked: read(client, method, **asked))  # type: ignore[misc]
        for item in page[key]:
            yield item
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Call, and wait out every rate limit, however long. Raises ChatError."""
    while True:
        try:
            return await ask()
        except RateLimited as error:
            await asyncio.sleep(error.retry_after_s)


def is_gone(error: ChatError) -> bool:
    """Whether Slack refused since the message is not there any more."""
    cause = error.__cause__
    return isinstance(cause, SlackApiError) and cause.response.get("error") == "message_not_found"


async def granted_scopes(client: AsyncWebClient) -> frozenset[str]:
    """The scopes of the client's token; empty where Slack does not tell. Raises ChatError."""
    response = await _answer("auth.test", client.auth_test())
    told = str(response.headers.get("x-oauth-scopes", ""))
    return frozenset(scope.strip() for scope in told.split(",") if scope.strip())


async def _checked(method: str, calling: Awaitable[AsyncSlackResponse]) -> Mapping[str, Any]:
    response = await _answer(method, calling)
    return response.data if isinstance(response.data, dict) else {}


async def _answer(method: str, calling: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    try:
        return await calling
    except SlackApiError as error:
        raise chat_error(method, error) from error
    except (TimeoutError, aiohttp.ClientError, SlackClientError, OSError) as error:
        raise Unreachable(f"Slack did not answer {method}: {error!r}") from error


async def upload(client: AsyncWebClient, channel: str | None, content: bytes, name: str) -> str:
    """Upload a file, into a channel or for the app's own use; the file's id. Raises ChatError."""
    try:
        done = await client.files_upload_v2(channel=channel, content=content, filename=name)
    except SlackApiError as error:
        raise chat_error("an upload", error) from error
    except (TimeoutError, aiohttp.ClientError, SlackClientError, OSError) as error:
        raise Unreachable(f"Slack did not take the file {name}: {error!r}") from error
    return str(done["files"][0]["id"])


async def download(token: str, url: str, max_bytes: int) -> bytes:
    """Fetch a file that a person sent. Raises ChatError."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=DOWNLOAD_TIMEOUT) as session,
            session.get(url, headers=headers) as response,
        ):
            if response.status != 200:
                raise Unreachable(f"Slack did not hand over the file: {response.status}.")
            content = await _at_most(response.content, max_bytes)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"Slack did not hand over the file: {error!r}.") from error
    return content


async def _at_most(stream: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """The whole stream. Raises Undeliverable where it is longer than `max_bytes`."""
    content = bytearray()
    async for chunk in stream.iter_chunked(2**16):
        content += chunk
        if len(content) > max_bytes:
            limit = max_bytes // 2**20
            raise Undeliverable(f"This file is larger than {limit} MiB: it is no archive of mine.")
    return bytes(content)


def chat_error(method: str, error: SlackApiError) -> ChatError:
    """Slack's error in the bot's terms, with what to do."""
    name = str(error.response.get("error", "unknown_error"))
    if error.response.status_code == 429 or name == "ratelimited":
        retry_after_s = float(error.response.headers.get("Retry-After", 1))
        return RateLimited(f"Slack allows no more {method} for now.", retry_after_s=retry_after_s)
    if name == "missing_scope":
        needed = error.response.get("needed")
        return Undeliverable(f"{method} needs the scope {needed}: add it and install the app again.")
    if name in _PASSING or error.response.status_code >= 500:
        return Unreachable(f"Slack could not carry out {method}: {name}.")
    advice = _ADVICE.get(name, name)
    if name in _TOKEN_REFUSED:
        return TokenRefused(f"Slack refused {method}: {advice}.")
    complaints = (error.response.get("response_metadata") or {}).get("messages") or []
    return Undeliverable(f"Slack refused {method}: {advice}. {' '.join(complaints)}".strip())
