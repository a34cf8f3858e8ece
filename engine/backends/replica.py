"""One vLLM server over HTTP: what it serves, its LoRAs, whether it is up. Knows no other server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import structlog

from engine.errors import LoraError, ModelError
from engine.types import LoraRef, TokenIds

log = structlog.get_logger(__name__)

Json = dict[str, Any]  # Any: what a server sends is looked at where it is used
LOOK_TIMEOUT_S = 10.0
PROBE = "Otters hold hands while they sleep: 12 of 34."


class Away(Exception):
    """The server did not answer as a working one does."""


class Refused(Exception):
    """The server refused the request, with a status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Replica:
    """A server. What it had loaded is forgotten when it was away: it may have been started anew."""

    def __init__(self, url: str, session: aiohttp.ClientSession, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self.is_up = False
        self.max_context: int | None = None
        self._base = ""  # the name under which it serves the base model
        self._loaded: set[str] = set()
        self._loading = asyncio.Lock()
        self._session = session
        self._timeout_s = timeout_s

    async def complete(self, request: Json, lora: LoraRef | None) -> Json:
        """Raises Away, Refused and LoraError."""
        if lora is None:
            return await self._post("/v1/completions", request | {"model": self._base})
        await self.load(lora)
        try:
            return await self._post("/v1/completions", request | {"model": lora.name})
        except Refused as refused:
            if refused.status != 404:
                raise
            # It was started anew since it was last looked at, and knows the LoRA no longer.
            self._loaded.discard(lora.name)
            await self.load(lora)
            return await self._post("/v1/completions", request | {"model": lora.name})

    async def load(self, lora: LoraRef) -> None:
        async with self._loading:
            if lora.name in self._loaded:
                return
            try:
                await self._post(
                    "/v1/load_lora_adapter", {"lora_name": lora.name, "lora_path": str(lora.path)}
                )
            except Refused as refused:
                if "already been loaded" not in str(refused):
                    raise LoraError(f"{self.url} did not take the LoRA {lora.name}: {refused}") from refused
            self._loaded.add(lora.name)

    async def unload(self, lora: LoraRef) -> None:
        self._loaded.discard(lora.name)
        if self.is_up:
            with contextlib.suppress(Away, Refused):  # it is gone there already
                await self._post("/v1/unload_lora_adapter", {"lora_name": lora.name})

    async def forget_prefixes(self) -> None:
        """Empty its prefix cache, where it was started so that it can be told to."""
        try:
            await self._post("/reset_prefix_cache?reset_running_requests=true", {})
        except Away:
            self.lost()
        except Refused as refused:
            log.warning(
                "A vLLM server keeps what it cached; start it with VLLM_SERVER_DEV_MODE=1",
                url=self.url,
                reason=str(refused),
            )

    def lost(self) -> None:
        """It failed a request; it is asked again when a look finds it back."""
        self.is_up = False
        self._loaded.clear()

    async def look(self, encode: Callable[[str], TokenIds]) -> bool:
        """Whether it is up. One that was away is met as if it were new. Raises ModelError."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                async with self._session.get(f"{self.url}/v1/models") as response:
                    if response.status != 200:
                        raise Away(f"status {response.status}")
                    listed = await response.json()
                if not self.is_up:
                    self._loaded.clear()
                    await self._meet(listed["data"], encode)
            self.is_up = True
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TimeoutError, Away):
            self.lost()
        return self.is_up

    async def _meet(self, models: Sequence[Mapping[str, Any]], encode: Callable[[str], TokenIds]) -> None:
        """Learn the base model's name, and that its tokens mean the same there as here."""
        bases = [model for model in models if not model.get("parent")]
        if not bases:
            raise ModelError(f"{self.url} serves no base model.")
        self._base, self.max_context = str(bases[0]["id"]), bases[0].get("max_model_len")
        try:
            told = await self._post(
                "/tokenize", {"model": self._base, "prompt": PROBE, "add_special_tokens": False}
            )
        except Refused as refused:
            raise ModelError(f"{self.url} does not tokenize: {refused}") from refused
        if tuple(told["tokens"]) != encode(PROBE):
            raise ModelError(
                f"{self.url} serves {self._base}, whose tokens are not those of the setting `model`. "
                "Make both name the same model."
            )

    async def _post(self, path: str, body: Json) -> Json:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(self.url + path, json=body) as response,
            ):
                if response.status >= 400:
                    reason = _reason(await response.text())
                    # A server also answers 5xx where one request, or one LoRA, was too much for it alone.
                    if response.status >= 500 and not await self._is_healthy():
                        raise Away(f"status {response.status}: {reason}")
                    raise Refused(response.status, reason)
                if response.content_type != "application/json":
                    return {}
                answer: Json = await response.json()
                return answer
        except TimeoutError as error:
            raise Refused(408, f"{self.url} did not answer in {self._timeout_s:.0f} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Away(f"{type(error).__name__}: {error}") from error

    async def _is_healthy(self) -> bool:
        async with self._session.get(f"{self.url}/health") as response:
            return response.status == 200


def _reason(body: str) -> str:
    """The message in vLLM's error document, whichever of its shapes that has."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        document = json.loads(body)
        return str((document.get("error") or document)["message"])
    return body[:200]
