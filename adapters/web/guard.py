"""Who may call, what a refusal looks like, and the headers that every answer carries. Knows no call."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Set
from http import HTTPStatus
from typing import TypeAlias

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from adapters.web.operations import Rejected
from bot.errors import BotError, NotYours, Refused, StoreError, TooMany, Unknown
from bot.store.database import AWAY
from engine.errors import EngineError

log = structlog.get_logger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NO_STORE = (
    "The database or the disk does not answer, so this was not done, or not known to be done. Send it again "
    "in a moment; under the same Idempotency-Key it is done once."
)
STATUS_OF = ((Unknown, 404), (NotYours, 403), (TooMany, 429), (Refused, 409), (StoreError, 503))


def middlewares(token: str, *, open_paths: Set[str]) -> list[Middleware]:
    """Outermost first. The page's own files hold nothing of anybody, so they are open."""
    return [_in_json, _token_bearers_only(token, frozenset(open_paths))]


async def put_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, before its head is sent."""
    del request
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def refusal(status: int, code: str, message: str, *, about: str | None = None) -> web.Response:
    """The one shape of every refusal."""
    said: dict[str, object] = {"error": {"code": code, "message": message}}
    if about is not None:
        said["message"] = about
    return web.json_response(said, status=status)


def is_token(given: str, token: str) -> bool:
    """Takes the same time whatever is given."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


@web.middleware
async def _in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Rejected as error:
        return refusal(error.status, error.code, error.message)
    except BotError as error:
        return _refused_by_the_bot(error)
    except EngineError as error:
        return refusal(503, "model", f"The model could not do this: {error}")
    except web.HTTPException as error:
        return _refused_by_the_server(request, error)
    except ConnectionResetError:
        raise
    except AWAY:
        log.exception("web.store", method=request.method, path=request.match_info.route.name)
        return refusal(503, "database", NO_STORE)
    except Exception:  # a fault of ours: the client gets the one shape of answer, the log gets the rest
        log.exception("web.fault", method=request.method, path=request.match_info.route.name)
        said = "The service made a mistake; its log says which. This was not done, or not to its end."
        return refusal(500, "fault", said)


def _refused_by_the_bot(error: BotError) -> web.Response:
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 409)
    response = refusal(status, error.code, error.message)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return response


def _refused_by_the_server(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if error.status < HTTPStatus.BAD_REQUEST:
        return error
    code = HTTPStatus(error.status).phrase.lower().replace(" ", "_")
    said = {
        404: f"There is nothing at {request.path[:200]}; the calls are listed at /api/openapi.json.",
        405: f"{request.method} is not possible here.",
        413: "The body is too large.",
    }.get(error.status, HTTPStatus(error.status).description or HTTPStatus(error.status).phrase)
    response = refusal(error.status, code, said)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _token_bearers_only(token: str, open_paths: Set[str]) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in open_paths:
            return await handler(request)
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not is_token(given.strip(), token):
            return _unauthorised(is_missing=not given)
        return await handler(request)

    return check


def _unauthorised(*, is_missing: bool) -> web.Response:
    where = "The token is printed when Nightloom starts, with the address of the page."
    message = f"The header `Authorization: Bearer TOKEN` is missing. {where}"
    if not is_missing:
        message = f"The token is wrong. {where}"
    response = refusal(401, "unauthorized", message)
    response.headers["WWW-Authenticate"] = 'Bearer realm="nightloom"'
    return response
