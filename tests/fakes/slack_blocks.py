"""Slack's documented limits of Block Context, as a validator: what Slack would refuse, it names.

Knows no server and no state: a list of blocks or a view goes in, complaints come out.
Source of the numbers: Slack's Block Context reference (docs.slack.dev/reference/block-context).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any  # Block Context is nested JSON; its shape is what is checked here

Json = dict[str, Any]

MAX_BLOCKS_MESSAGE = 50
MAX_BLOCKS_VIEW = 100
MAX_MARKDOWN_CHARS = 12_000


def complaints_about_blocks(blocks: object, *, limit: int = MAX_BLOCKS_MESSAGE) -> list[str]:
    """Everything that Slack would refuse in these blocks; empty where it would take them."""
    if not isinstance(blocks, list):
        return ["blocks must be a list"]
    found = [f"{len(blocks)} blocks, at most {limit}"] if len(blocks) > limit else []
    found += _repeated("block_id", [block.get("block_id") for block in blocks if isinstance(block, dict)])
    for index, block in enumerate(blocks):
        found += [f"/blocks/{index}: {complaint}" for complaint in _block(block)]
    markdown = sum(len(block.get("text", "")) for block in blocks if block.get("type") == "markdown")
    if markdown > MAX_MARKDOWN_CHARS:
        found.append(f"markdown blocks hold {markdown} characters together, at most {MAX_MARKDOWN_CHARS}")
    return found


def complaints_about_view(view: object) -> list[str]:
    """Everything that Slack would refuse in a modal or Home tab."""
    if not isinstance(view, dict) or view.get("type") not in {"modal", "home"}:
        return ["view must be an object of type modal or home"]
    found = complaints_about_blocks(view.get("blocks"), limit=MAX_BLOCKS_VIEW)
    found += _length("private_metadata", view.get("private_metadata", ""), 3000)
    found += _length("callback_id", view.get("callback_id", ""), 255)
    if view["type"] == "modal":
        found += _plain("title", view.get("title"), 24)
        for part in ("submit", "close"):
            if part in view:
                found += _plain(part, view[part], 24)
        has_input = any(block.get("type") == "input" for block in view.get("blocks", []))
        if has_input and "submit" not in view:
            found.append("a modal with an input needs submit")
    return found


def _block(block: object) -> list[str]:
    if not isinstance(block, dict):
        return ["a block must be an object"]
    check = _BLOCKS.get(str(block.get("type")))
    if check is None:
        return [f"unknown block type {block.get('type')!r}"]
    return _length("block_id", block.get("block_id", ""), 255) + list(check(block))


def _section(block: Json) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield "a section needs text or fields"
    if "text" in block:
        yield from _text("text", block["text"], 3000)
    if len(block.get("fields", [])) > 10:
        yield "at most 10 fields"
    for field in block.get("fields", []):
        yield from _text("field", field, 2000)
    if "accessory" in block:
        yield from _element(block["accessory"])


def _actions(block: Json) -> Iterator[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= 25:
        yield f"{len(elements)} elements in actions, 1 to 25"
    yield from _repeated("action_id", [element.get("action_id") for element in elements])
    for element in elements:
        yield from _element(element)


def _context(block: Json) -> Iterator[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= 10:
        yield f"{len(elements)} elements in context, 1 to 10"
    for element in elements:
        if element.get("type") == "image":
            yield from _image(element)
        else:
            yield from _text("context text", element, 3000)


def _context_actions(block: Json) -> Iterator[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= 5:
        yield f"{len(elements)} elements in context_actions, 1 to 5"
    for element in elements:
        if element.get("type") not in {"feedback_buttons", "icon_button"}:
            yield f"context_actions cannot hold {element.get('type')!r}"
        else:
            yield from _element(element)


def _header(block: Json) -> Iterator[str]:
    yield from _plain("header", block.get("text"), 150)


def _divider(block: Json) -> Iterator[str]:
    yield from ()


def _markdown(block: Json) -> Iterator[str]:
    if not block.get("text"):
        yield "a markdown block needs text"


def _image(block: Json) -> Iterator[str]:
    if not block.get("alt_text"):
        yield "an image needs alt_text"
    yield from _length("alt_text", block.get("alt_text", ""), 2000)
    if ("image_url" in block) == ("slack_file" in block):
        yield "an image needs either image_url or slack_file"
    yield from _length("image_url", block.get("image_url", ""), 3000)


def _input(block: Json) -> Iterator[str]:
    yield from _plain("label", block.get("label"), 2000)
    if "hint" in block:
        yield from _plain("hint", block["hint"], 2000)
    if "element" not in block:
        yield "an input needs an element"
    else:
        yield from _element(block["element"])


_BLOCKS: dict[str, Callable[[Json], Iterator[str]]] = {
    "section": _section,
    "actions": _actions,
    "context": _context,
    "context_actions": _context_actions,
    "header": _header,
    "divider": _divider,
    "markdown": _markdown,
    "image": _image,
    "input": _input,
}


def _element(element: object) -> Iterator[str]:
    if not isinstance(element, dict):
        yield "an element must be an object"
        return
    kind = str(element.get("type"))
    check = _ELEMENTS.get(kind)
    if check is None:
        yield f"unknown element type {kind!r}"
        return
    yield from _length("action_id", element.get("action_id", ""), 255)
    if "confirm" in element:
        yield from _confirm(element["confirm"])
    yield from check(element)


def _button(element: Json) -> Iterator[str]:
    yield from _plain("button text", element.get("text"), 75)
    yield from _length("value", element.get("value", ""), 2000)
    yield from _length("url", element.get("url", ""), 3000)
    if element.get("style", "primary") not in {"primary", "danger"}:
        yield f"unknown button style {element['style']!r}"


def _feedback_buttons(element: Json) -> Iterator[str]:
    for part in ("positive_button", "negative_button"):
        if part not in element:
            yield f"feedback_buttons needs {part}"
        else:
            yield from _plain(f"{part} text", element[part].get("text"), 75)
            yield from _length(f"{part} value", element[part].get("value", ""), 2000)


def _icon_button(element: Json) -> Iterator[str]:
    yield from _plain("icon_button text", element.get("text"), 75)
    if element.get("icon") != "trash":
        yield "icon_button knows only the icon trash"


def _choice(element: Json) -> Iterator[str]:
    options = element.get("options", [])
    limit = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}.get(element["type"], 100)
    if not 1 <= len(options) <= limit:
        yield f"{len(options)} options in {element['type']}, 1 to {limit}"
    for option in options:
        yield from _text("option text", option.get("text"), 75)
        yield from _length("option value", option.get("value", ""), 150)
    if "initial_option" in element and element["initial_option"] not in options:
        yield "initial_option is not one of the options"


def _plain_text_input(element: Json) -> Iterator[str]:
    for bound in ("min_length", "max_length"):
        if not 0 <= element.get(bound, 1) <= 3000:
            yield f"{bound} must be between 0 and 3000"
    yield from _length("initial_value", element.get("initial_value", ""), element.get("max_length", 3000))
    if "placeholder" in element:
        yield from _plain("placeholder", element["placeholder"], 150)


def _file_input(element: Json) -> Iterator[str]:
    if not 1 <= element.get("max_files", 10) <= 10:
        yield "max_files must be between 1 and 10"


_ELEMENTS: dict[str, Callable[[Json], Iterator[str]]] = {
    "button": _button,
    "feedback_buttons": _feedback_buttons,
    "icon_button": _icon_button,
    "static_select": _choice,
    "overflow": _choice,
    "checkboxes": _choice,
    "radio_buttons": _choice,
    "plain_text_input": _plain_text_input,
    "file_input": _file_input,
    "image": _image,
}


def _confirm(confirm: Json) -> Iterator[str]:
    yield from _plain("confirm title", confirm.get("title"), 100)
    yield from _text("confirm text", confirm.get("text"), 300)
    yield from _plain("confirm button", confirm.get("confirm"), 30)
    yield from _plain("deny button", confirm.get("deny"), 30)


def _text(name: str, text: object, limit: int) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in {"plain_text", "mrkdwn"}:
        yield f"{name} must be a text object"
    elif not text.get("text"):
        yield f"{name} must not be empty"
    else:
        yield from _length(name, text["text"], limit)


def _plain(name: str, text: object, limit: int) -> list[str]:
    if isinstance(text, dict) and text.get("type") != "plain_text":
        return [f"{name} must be plain_text"]
    return list(_text(name, text, limit))


def _length(name: str, text: str, limit: int) -> list[str]:
    return [f"{name} has {len(text)} characters, at most {limit}"] if len(text) > limit else []


def _repeated(name: str, values: list[str | None]) -> list[str]:
    given = [value for value in values if value]
    return [f"{name} {value!r} stands twice" for value in sorted({v for v in given if given.count(v) > 1})]
