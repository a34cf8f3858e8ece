"""Every call of the web interface in one table: what it takes, what it answers, and how that is checked.

The table makes the routes, the validation and the OpenAPI document, so they cannot disagree. Knows no
handler by more than its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from adapters.web import requests, schema
from bot.people.archive import MAX_ARCHIVE_BYTES

VERSION = "1"
COMPONENT = "#/components/schemas/{model}"
ZIP = "application/zip"
FILE = "application/octet-stream"
JSON = "application/json"
MAX_BODY_BYTES = 256 * 1024
DESCRIPTION = (
    "A POST may be sent again under the same header `Idempotency-Key`: it is one event. "
    "`wait` on a POST waits so many seconds for the outcome.\n\n"
    "GET /api/events?person=P is a stream of server-sent events: `progress` {message, conversation, done, "
    "total, phase}, `reply` (a Reply), `night` {night, phase, done, total}, `notice` (a Notice). A comment "
    "line is sent every 15 seconds. After a reconnect read the conversation again."
)


class Rejected(Exception):
    """What a client sent does not fit. `message` says what to change."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `name` is the handler's; `answers` maps a status to a type or a media type."""

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, Any]  # Any: whatever a TypeAdapter takes, or the name of a media type
    parameters: type[requests.Given] = requests.NoParameters
    body: type[requests.Given] | None = None
    takes_file: bool = False
    max_body_bytes: int = field(default=MAX_BODY_BYTES)


TAKEN_OR_ANSWERED = {200: schema.MessageAnswered, 202: schema.MessageTaken}

OPERATIONS = (
    Operation(
        method="GET",
        path="/api/about",
        name="about",
        summary="The model, the rating emoji, the limits",
        answers={200: schema.About},
    ),
    Operation(
        method="POST",
        path="/api/messages",
        name="ask",
        summary="Ask",
        parameters=requests.WaitParameters,
        body=requests.NewMessage,
        answers=TAKEN_OR_ANSWERED,
    ),
    Operation(
        method="GET",
        path="/api/messages/{id}",
        name="message",
        summary="What became of a message",
        parameters=requests.OfId,
        answers={200: schema.Message},
    ),
    Operation(
        method="PATCH",
        path="/api/messages/{id}",
        name="edit",
        summary="Change a question: it is answered anew",
        parameters=requests.OfIdAndWait,
        body=requests.ChangedMessage,
        answers=TAKEN_OR_ANSWERED,
    ),
    Operation(
        method="DELETE",
        path="/api/messages/{id}",
        name="withdraw",
        summary="Withdraw a question: cancelled and erased",
        parameters=requests.OfIdAndPerson,
        answers={200: schema.Message},
    ),
    Operation(
        method="GET",
        path="/api/conversations",
        name="conversations",
        summary="A person's conversations, the latest first",
        parameters=requests.OfPerson,
        answers={200: list[schema.ConversationLine]},
    ),
    Operation(
        method="GET",
        path="/api/conversations/{conversation}",
        name="conversation",
        summary="One conversation of a person",
        parameters=requests.OfConversation,
        answers={200: schema.Conversation},
    ),
    Operation(
        method="GET",
        path="/api/replies/{id}",
        name="reply",
        summary="One answer",
        parameters=requests.OfId,
        answers={200: schema.Reply},
    ),
    Operation(
        method="POST",
        path="/api/replies/{id}/reactions",
        name="react",
        summary="Put an emoji on an answer, or take it off",
        parameters=requests.OfIdAndWait,
        body=requests.NewReaction,
        answers={200: schema.Rating},
    ),
    Operation(
        method="POST",
        path="/api/replies/{id}/thread",
        name="teach",
        summary="Say something under an answer: a critique, a correction, or a question",
        parameters=requests.OfIdAndWait,
        body=requests.NewThreadReply,
        answers={200: schema.ThreadOutcome, 202: schema.ThreadOutcome},
    ),
    Operation(
        method="POST",
        path="/api/replies/{id}/choose",
        name="choose",
        summary="Another of the answers becomes the answer; the reply's own id keeps the one that is shown",
        parameters=requests.OfIdAndWait,
        body=requests.NewChoice,
        answers={200: schema.Reply},
    ),
    Operation(
        method="GET",
        path="/api/replies/{id}/why",
        name="why",
        summary="What an answer was made of",
        parameters=requests.OfId,
        answers={200: schema.Why},
    ),
    Operation(
        method="GET",
        path="/api/people/{person}",
        name="person",
        summary="What is known of a person",
        parameters=requests.OfPerson,
        answers={200: schema.Person},
    ),
    Operation(
        method="PATCH",
        path="/api/people/{person}",
        name="change",
        summary="Change what a person has set; a person who is new is made known",
        parameters=requests.OfPerson,
        body=requests.PersonChange,
        answers={200: schema.Person},
    ),
    Operation(
        method="DELETE",
        path="/api/people/{person}/notes/{id}",
        name="delete_note",
        summary="Delete a note",
        parameters=requests.OfNote,
        answers={200: schema.NoteDeleted},
    ),
    Operation(
        method="GET",
        path="/api/people/{person}/export",
        name="export",
        summary="Everything of a person as one archive",
        parameters=requests.OfPerson,
        answers={200: ZIP},
    ),
    Operation(
        method="POST",
        path="/api/people/{person}/import",
        name="take_in",
        summary="Take in an archive, or a file of another program",
        parameters=requests.OfPersonAndWait,
        takes_file=True,
        max_body_bytes=MAX_ARCHIVE_BYTES,
        answers={200: schema.Imported},
    ),
    Operation(
        method="DELETE",
        path="/api/people/{person}",
        name="forget",
        summary="Erase everything of a person",
        parameters=requests.OfPerson,
        answers={200: schema.Forgotten},
    ),
    Operation(
        method="POST",
        path="/api/people/{person}/undo",
        name="undo",
        summary="Take back the LoRA that is live: the one before answers again",
        parameters=requests.OfPersonAndWait,
        answers={200: schema.LiveVersion},
    ),
    Operation(
        method="POST",
        path="/api/nights",
        name="start_night",
        summary="Learn now: a night for these people, or for everybody with enough that is new",
        parameters=requests.WaitParameters,
        body=requests.NewNight,
        answers={200: schema.Night, 202: schema.Night},
    ),
    Operation(
        method="GET",
        path="/api/nights/{id}",
        name="night",
        summary="How far a night is, or what came of it",
        parameters=requests.OfId,
        answers={200: schema.Night},
    ),
    Operation(
        method="POST",
        path="/api/actions",
        name="press",
        summary="Press a button that stands under an answer or a notice",
        parameters=requests.WaitParameters,
        body=requests.Press,
        answers={200: schema.Pressed},
    ),
    Operation(
        method="POST",
        path="/api/people/{person}/compare",
        name="compare",
        summary="The same question to the base model and to what a person taught; nothing is kept of it",
        parameters=requests.OfPersonAndWait,
        body=requests.NewComparison,
        answers={200: schema.Comparison},
    ),
)


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document of the whole table."""
    components: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    error = _schema_of(schema.ErrorAnswer, components)
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nightloom", "version": VERSION, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                "Error": {"description": "Refused", "content": {JSON: {"schema": error}}},
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def parameters(operation: Operation, path: Mapping[str, str], query: list[tuple[str, str]]) -> requests.Given:
    """The call's parameters, checked. Raises Rejected."""
    given = dict(path)
    for name, value in query:
        if name in path or name not in operation.parameters.model_fields:
            raise Rejected(422, "unknown_parameter", f"There is no parameter `{_short(name)}` here.")
        if name in given:
            raise Rejected(422, "repeated_parameter", f"The parameter `{name}` is given twice.")
        given[name] = value
    try:
        return operation.parameters.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"] and first["loc"][0] in path and first["loc"][0] != "person":
            raise Rejected(404, "unknown", f"There is no such {operation.path.split('/')[2]} here.") from None
        raise _rejected(first) from None


def body(operation: Operation, raw: bytes) -> requests.Given | None:
    """The call's body, checked. Raises Rejected."""
    if operation.body is None:
        return None
    if not raw.strip():
        raise Rejected(400, "empty_body", "The body is empty; it must be a JSON object.")
    try:
        return operation.body.model_validate_json(raw)
    except ValidationError as error:
        raise _rejected(error.errors(include_url=False)[0]) from None


def _rejected(error: ErrorDetails) -> Rejected:
    """Pydantic's finding in our words, each kind under its own code."""
    kind, where = error["type"], ".".join(_short(str(part)) for part in error["loc"]) or "the body"
    limits = error.get("ctx", {})
    if kind == "json_invalid":
        return Rejected(400, "bad_json", f"The body is no valid JSON: {limits.get('error', '')}.")
    if kind == "extra_forbidden":
        return Rejected(422, "unknown_field", f"There is no field `{where}` here.")
    if kind == "missing":
        return Rejected(422, "missing_field", f"The field `{where}` is missing.")
    if where == "emoji" and kind.startswith("string_") and kind != "string_type":
        return Rejected(422, "not_an_emoji", "This is no emoji. Send one such as 👍 or :thumbsup:.")
    if kind == "string_too_long":
        code = "text_too_long" if where == "text" else "too_long"
        return Rejected(
            422, code, f"`{where}` may hold {limits['max_length']} characters at most; shorten it."
        )
    if kind.endswith(("_type", "_parsing")):
        return Rejected(422, "wrong_type", f"`{where}`: {error['msg']}.")
    if kind == "string_pattern_mismatch":
        return Rejected(422, "bad_value", f"`{where}` is empty or holds characters that it may not hold.")
    return Rejected(422, "bad_value", f"`{where}`: {error['msg'].removeprefix('Value error, ')}.")


def _short(name: str) -> str:
    return name if len(name) <= 64 else name[:64] + "…"


def _described(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _described_parameters(operation, components),
        "responses": {
            **{str(status): _answer(what, components) for status, what in operation.answers.items()},
            "4XX": {"$ref": "#/components/responses/Error"},
            "503": {"$ref": "#/components/responses/Error"},
        },
    }
    if operation.body is not None:
        content = {JSON: {"schema": _schema_of(operation.body, components)}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.takes_file:
        content = {FILE: {"schema": {"type": "string", "format": "binary"}}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _described_parameters(operation: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    whole = _schema_of(operation.parameters, components)
    required = whole.get("required", [])
    return [
        {
            "name": name,
            "in": "path" if f"{{{name}}}" in operation.path else "query",
            "required": name in required,
            "schema": shape,
        }
        for name, shape in whole.get("properties", {}).items()
    ]


def _answer(what: Any, components: dict[str, Any]) -> dict[str, Any]:
    if isinstance(what, str):
        return {"description": "Done", "content": {what: {"schema": {"type": "string", "format": "binary"}}}}
    return {"description": "Done", "content": {JSON: {"schema": _schema_of(what, components)}}}


def _schema_of(what: Any, components: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a type; what it refers to goes to the components."""
    is_given = isinstance(what, type) and issubclass(what, requests.Given)
    mode: Literal["validation", "serialization"] = "validation" if is_given else "serialization"
    found: dict[str, Any] = TypeAdapter(what).json_schema(mode=mode, ref_template=COMPONENT)
    components.update(found.pop("$defs", {}))
    return found
