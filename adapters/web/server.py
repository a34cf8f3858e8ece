"""The web chat: one server for the page, the JSON interface, the event streams, health and metrics.

What the calls do is in `handlers`, what they look like in `requests`, `schema` and `operations`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from adapters.web import guard, operations
from adapters.web.handlers.health import Health
from adapters.web.handlers.talking import Api
from adapters.web.streams import EventStreams
from adapters.web.token import token_of
from bot.door.app import App
from bot.events import Notice, Outgoing, Person, Place, Platform, Progress, Ref
from bot.ports import Chat, ChatError
from bot.settings import WebSettings

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SHUTDOWN_S = 1.0  # aiohttp waits for calls twice; those that wait for an outcome have it in the inbox


class WebChat(Chat):
    """A chat platform of one's own: what is stored is sent, and the page is told by events."""

    platform = Platform.WEB

    def __init__(
        self,
        settings: WebSettings,
        app: App,
        *,
        loading: Callable[[], str] = str,
        beside: Sequence[web.RouteDef] = (),
    ) -> None:
        """`loading` says in words what the service is doing before the model is there.

        `beside`: what another platform wants served on this port; it checks for itself who calls.
        """
        self._settings = settings
        self._token = token_of(app.context.settings)
        self._streams = EventStreams(app)
        self._server = web.AppRunner(
            application(app, self._streams, token=self._token, loading=loading, beside=beside),
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
        )
        self._stopped = asyncio.Event()

    @property
    def address(self) -> str:
        """Where the page is, with the token that opens it."""
        host, port = self._settings.host, self._settings.port
        if self._server.addresses:
            port = self._server.addresses[0][1]  # the setting may leave the choice to the system
        local = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        return f"http://{f'[{local}]' if ':' in local else local}:{port}/?token={self._token}"

    async def start(self) -> None:
        """Listen. Raises ChatError when the address cannot be had."""
        await self._server.setup()
        site = web.TCPSite(self._server, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._server.cleanup()
            raise ChatError(
                f"The web chat cannot listen on {self._settings.host}:{self._settings.port} "
                f"({error.strerror or error}): set NIGHTLOOM_WEB__PORT to a port that is free."
            ) from error

    async def run(self) -> None:
        """Serve until `stop`."""
        if not self._server.addresses:
            await self.start()
        await self._stopped.wait()
        await self._server.cleanup()

    async def stop(self) -> None:
        self._streams.close()
        self._stopped.set()

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        """What is stored is sent: the page reads it, and `listen` tells of it."""
        reply = outgoing.reply
        return (Ref(platform=Platform.WEB, channel=outgoing.place.channel, id=reply.id),)

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        """The page hears of it by `listen`."""

    async def idle(self, place: Place, question: Ref) -> None:
        """The page sees the message's state."""

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> None:
        """The page hears of it by `listen`."""


def application(
    app: App,
    streams: EventStreams,
    *,
    token: str,
    loading: Callable[[], str],
    beside: Sequence[web.RouteDef] = (),
) -> web.Application:
    """Every route of the server."""
    files = _page_files()
    open_paths = {*files, "/healthz", "/readyz", *(route.path for route in beside)}
    served = web.Application(
        middlewares=guard.middlewares(token, open_paths=open_paths),
        client_max_size=0,  # each call has a limit of its own
    )
    served.on_response_prepare.append(guard.put_headers)
    Api(app, streams).add_to(served)
    Health(app.context, loading).add_to(served)
    served.router.add_routes(beside)
    served.router.add_get("/api/openapi.json", _openapi(operations.openapi()))
    for path, file in files.items():
        served.router.add_get(path, _page(file, token))
    return served


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    content: bytes
    content_type: str
    tag: str


def _page_files() -> Mapping[str, _File]:
    """The page's files by path; read once, for there are few."""
    found = {f"/web/{path.name}": _file(path) for path in sorted(PAGE.iterdir()) if path.suffix in TYPES}
    return {"/": found["/web/index.html"], **found}


def _file(path: Path) -> _File:
    content = path.read_bytes()
    return _File(
        content=content, content_type=TYPES[path.suffix], tag=f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    )


def _page(file: _File, token: str) -> guard.Handler:
    """A file of the page. An address with a wrong token shows the page too, which then says so."""

    async def serve(request: web.Request) -> web.StreamResponse:
        given = request.query.get("token")
        status = 200 if given is None or guard.is_token(given, token) else 401
        headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
        if status == 200 and request.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=file.content, content_type=file.content_type, charset="utf-8", status=status, headers=headers
        )

    return serve


def _openapi(document: Mapping[str, object]) -> guard.Handler:
    text = json.dumps(document)

    async def serve(request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response(text=text)

    return serve
