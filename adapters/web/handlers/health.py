"""Health and metrics: alive, ready, and what Prometheus reads. Knows no call of the interface."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot.context import Context
from bot.store.database import AWAY
from engine.ports import BackendState

WORDS = {
    BackendState.LOADING: "The model is being loaded.",
    BackendState.READY: "Ready.",
    BackendState.RESTARTING: "The model stopped and is starting again; what was asked is kept.",
    BackendState.ASLEEP: "The model has lent its memory to a training; what was asked is kept.",
    BackendState.STOPPED: "The model is stopped.",
}
NO_STORE = "The database does not answer; what was taken in is kept there."


class Health:
    """`loading` says in words how far the model is."""

    def __init__(self, context: Context, loading: Callable[[], str]) -> None:
        self._context = context
        self._loading = loading

    def add_to(self, served: web.Application) -> None:
        served.router.add_get("/healthz", _alive)
        served.router.add_get("/readyz", self._ready)
        served.router.add_get("/metrics", _metrics)

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        """200 when an answer can be made, else 503 with what is missing."""
        del request
        state = self._context.backend.state
        detail = WORDS[state]
        if state is BackendState.LOADING:
            detail = self._loading() or detail
        is_reachable = await self._is_store_reachable()
        is_ready = state is BackendState.READY and is_reachable
        said = {
            "ready": is_ready,
            "state": str(state),
            "detail": detail if is_reachable else NO_STORE,
            "store": is_reachable,
        }
        return web.json_response(said, status=200 if is_ready else 503)

    async def _is_store_reachable(self) -> bool:
        try:
            await self._context.store.people.get("")
        except AWAY:
            return False
        return True


async def _alive(request: web.Request) -> web.StreamResponse:
    del request
    return web.json_response({"alive": True})


async def _metrics(request: web.Request) -> web.StreamResponse:
    del request
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
