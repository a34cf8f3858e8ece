"""Slack's Web API: functions over a workspace, which refuse what Slack refuses. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.fakes.slack_blocks import complaints_about_blocks, complaints_about_view
from tests.fakes.slack_workspace import Channel, Json, Post, Refusal, Workspace

# Slack's documented maxima (docs.slack.dev, chat.postMessage and chat.update).
MAX_POST_CHARS = 40_000
MAX_UPDATE_CHARS = 4_000
MAX_MARKDOWN_CHARS = 12_000
TRIGGER_LIFE_S = 3.0
MAX_TITLE_CHARS = 200
SESSION_STATUSES = {"active", "processing", "suspended", "closed"}


def call(workspace: Workspace, method: str, arguments: Json) -> Json:
    """Answer a method as Slack would; raises Refusal."""
    if workspace.is_revoked:
        raise Refusal("token_revoked")
    entry = METHODS.get(method)
    if entry is None:
        raise Refusal("unknown_method")
    handler, needed = entry
    if needed and needed not in workspace.scopes:
        raise Refusal("missing_scope", needed=needed, provided=",".join(sorted(workspace.scopes)))
    return {"ok": True, **handler(workspace, arguments)}


def _auth_test(workspace: Workspace, arguments: Json) -> Json:
    return {
        "url": f"https://{workspace.team.lower()}.slack.com/",
        "team": workspace.team,
        "team_id": workspace.team,
        "user": "nightloom",
        "user_id": workspace.bot,
        "bot_id": "B" + workspace.bot[1:],
    }


def _post_message(workspace: Workspace, arguments: Json) -> Json:
    channel = workspace.channel(arguments["channel"], to_write=True)
    _check_text(arguments, MAX_POST_CHARS)
    if arguments.get("thread_ts"):
        workspace.post_at(channel.id, arguments["thread_ts"])
    post = Post(
        ts=workspace.next_ts(),
        channel=channel.id,
        user=workspace.bot,
        text=arguments.get("text") or arguments.get("markdown_text") or "",
        thread_ts=arguments.get("thread_ts"),
        blocks=arguments.get("blocks") or [],
        metadata=arguments.get("metadata"),
    )
    workspace.posts[channel.id, post.ts] = post
    event = post.as_json(workspace.bot) | {"channel": channel.id, "channel_type": channel.kind}
    workspace.announce(event | {"event_ts": post.ts})
    return {"channel": channel.id, "ts": post.ts, "message": post.as_json(workspace.bot)}


def _post_ephemeral(workspace: Workspace, arguments: Json) -> Json:
    channel = workspace.channel(arguments["channel"], to_write=True)
    if arguments["user"] not in channel.members:
        raise Refusal("user_not_in_channel")
    _check_text(arguments, MAX_POST_CHARS)
    ts = workspace.next_ts()
    workspace.posts[channel.id, ts] = Post(
        ts=ts,
        channel=channel.id,
        user=workspace.bot,
        text=arguments.get("text") or arguments.get("markdown_text") or "",
        thread_ts=arguments.get("thread_ts"),
        blocks=arguments.get("blocks") or [],
        only_for=arguments["user"],
    )
    return {"message_ts": ts}


def _update(workspace: Workspace, arguments: Json) -> Json:
    channel = workspace.channel(arguments["channel"], to_write=True)
    post = workspace.post_at(channel.id, arguments["ts"])
    if post.user != workspace.bot:
        raise Refusal("cant_update_message")
    _check_text(arguments, MAX_UPDATE_CHARS)
    post.text = arguments.get("text") or arguments.get("markdown_text") or post.text
    post.blocks = arguments.get("blocks") or []
    if arguments.get("metadata"):
        post.metadata = arguments["metadata"]
    post.is_edited = True
    return {"channel": channel.id, "ts": post.ts, "text": post.text}


def _delete(workspace: Workspace, arguments: Json) -> Json:
    channel = workspace.channel(arguments["channel"])
    post = workspace.post_at(channel.id, arguments["ts"])
    if post.user != workspace.bot:
        raise Refusal("cant_delete_message")
    del workspace.posts[channel.id, post.ts]
    return {"channel": channel.id, "ts": post.ts}


def _check_text(arguments: Json, limit: int) -> None:
    text, markdown, blocks = (arguments.get(key) for key in ("text", "markdown_text", "blocks"))
    if not text and not markdown and not blocks:
        raise Refusal("no_text")
    if markdown and (text or blocks):
        raise Refusal("markdown_text_conflict")
    if len(text or "") > limit or len(markdown or "") > MAX_MARKDOWN_CHARS:
        raise Refusal("msg_too_long")
    complaints = complaints_about_blocks(blocks) if blocks else []
    if complaints:
        raise Refusal("invalid_blocks", response_metadata={"messages": complaints})


def _conversation_open(workspace: Workspace, arguments: Json) -> Json:
    user = arguments["users"]
    if user not in workspace.users:
        raise Refusal("user_not_found")
    return {"channel": {"id": workspace.direct_channel(user)}}


def _user_conversations(workspace: Workspace, arguments: Json) -> Json:
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    wanted = {kinds[kind] for kind in (arguments.get("types") or "public_channel").split(",")}
    mine = [c for c in workspace.channels.values() if workspace.bot in c.members and c.kind in wanted]
    return {"channels": [{"id": c.id, "is_im": c.kind == "im"} for c in mine], **_no_more()}


def _history(workspace: Workspace, arguments: Json) -> Json:
    channel = workspace.channel(arguments["channel"])
    return _page(workspace, arguments, (p for p in _visible(workspace, channel) if not p.thread_ts))


def _replies(workspace: Workspace, arguments: Json) -> Json:
    channel = workspace.channel(arguments["channel"])
    root = arguments["ts"]
    if (channel.id, root) not in workspace.posts:
        raise Refusal("thread_not_found")
    thread = [p for p in _visible(workspace, channel) if root in (p.ts, p.thread_ts)]
    return _page(workspace, arguments, iter(thread), newest_first=False)


def _visible(workspace: Workspace, channel: Channel) -> Iterator[Post]:
    return (p for p in workspace.posts.values() if p.channel == channel.id and p.only_for is None)


def _page(workspace: Workspace, arguments: Json, posts: Iterator[Post], *, newest_first: bool = True) -> Json:
    oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
    inclusive = str(arguments.get("inclusive", "")).lower() in {"1", "true"}
    within = [
        p for p in posts if oldest < float(p.ts) < latest or (inclusive and float(p.ts) in (oldest, latest))
    ]
    within.sort(key=lambda post: float(post.ts), reverse=newest_first)
    start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
    shown = [post.as_json(workspace.bot) for post in within[start : start + size]]
    rest = str(start + size) if len(within) > start + size else ""
    return {"messages": shown, "has_more": bool(rest), "response_metadata": {"next_cursor": rest}}


def _no_more() -> Json:
    return {"response_metadata": {"next_cursor": ""}}


def _reactions_get(workspace: Workspace, arguments: Json) -> Json:
    post = workspace.post_at(arguments["channel"], arguments["timestamp"])
    return {"type": "message", "channel": post.channel, "message": post.as_json(workspace.bot)}


def _user_info(workspace: Workspace, arguments: Json) -> Json:
    user = arguments["user"]
    if user not in workspace.users:
        raise Refusal("user_not_found")
    name = workspace.users[user]
    profile = {"display_name": name, "real_name": name}
    return {"user": {"id": user, "team_id": workspace.team, "name": name, "profile": profile, "tz": "UTC"}}


def _open_view(workspace: Workspace, arguments: Json) -> Json:
    born = workspace.triggers.pop(arguments.get("trigger_id", ""), None)
    if born is None:
        raise Refusal("invalid_trigger_id")
    if workspace.now() - born > TRIGGER_LIFE_S:
        raise Refusal("expired_trigger_id")
    view = _checked_view(arguments["view"])
    view_id = f"V{len(workspace.views) + 1}"
    workspace.views[view_id] = view | {"id": view_id}
    return {"view": workspace.views[view_id]}


def _publish_view(workspace: Workspace, arguments: Json) -> Json:
    if arguments["user_id"] not in workspace.users:
        raise Refusal("user_not_found")
    workspace.homes[arguments["user_id"]] = _checked_view(arguments["view"])
    return {"view": arguments["view"]}


def _checked_view(view: Json) -> Json:
    complaints = complaints_about_view(view)
    if complaints:
        raise Refusal("invalid_arguments", response_metadata={"messages": complaints})
    return view


def _set_status(workspace: Workspace, arguments: Json) -> Json:
    workspace.post_at(arguments["channel_id"], arguments["thread_ts"])
    workspace.statuses.append(arguments)
    return {}


def _set_prompts(workspace: Workspace, arguments: Json) -> Json:
    if len(arguments["prompts"]) > 4:
        raise Refusal("invalid_arguments")
    thread = arguments.get("thread_ts")
    # docs.slack.dev, assistant.threads.setSuggestedPrompts: an agent's call with `thread_ts` fails silently.
    if not (workspace.is_agent and thread):
        workspace.suggested[arguments["channel_id"], thread] = arguments["prompts"]
    return {}


def _set_session(workspace: Workspace, arguments: Json) -> Json:
    """docs.slack.dev, agents.sessions.setStatus: creates the session, or changes its status."""
    if arguments.get("status") not in SESSION_STATUSES:
        raise Refusal("invalid_arguments")
    session = workspace.sessions.setdefault(_session_of(workspace, arguments), {"history": []})
    session.setdefault("title", _title(arguments))  # of a session that exists it is ignored
    session["status"] = arguments["status"]
    session["history"].append(arguments["status"])
    return {"status": session["status"], "title": session["title"]}


def _rename_session(workspace: Workspace, arguments: Json) -> Json:
    session = workspace.sessions.get(_session_of(workspace, arguments))
    if session is None:
        raise Refusal("session_not_found")
    session["title"] = _title(arguments)
    return {}


def _session_of(workspace: Workspace, arguments: Json) -> tuple[str, str]:
    """docs.slack.dev, Agent sessions: only agents have them, each in a thread."""
    if not workspace.is_agent:
        raise Refusal("not_allowed")
    channel = workspace.channel(arguments["channel_id"])
    if not arguments.get("thread_ts"):
        raise Refusal("invalid_arguments")
    workspace.post_at(channel.id, arguments["thread_ts"])
    return channel.id, arguments["thread_ts"]


def _title(arguments: Json) -> str:
    title = str(arguments.get("title") or "")
    if len(title) > MAX_TITLE_CHARS:
        raise Refusal("invalid_arguments")
    return title


def _upload_url(workspace: Workspace, arguments: Json) -> Json:
    file_id = f"F{len(workspace.uploads) + 1}"
    workspace.uploads[file_id] = {"name": arguments["filename"], "length": int(arguments["length"])}
    return {"upload_url": f"{arguments['base_url']}upload/{file_id}", "file_id": file_id}


def _complete_upload(workspace: Workspace, arguments: Json) -> Json:
    for file in arguments["files"]:
        upload = workspace.uploads.get(file["id"])
        if upload is None or "content" not in upload:
            raise Refusal("file_not_found")
        upload["channel"] = arguments.get("channel_id")
    return {"files": [{"id": file["id"]} for file in arguments["files"]]}


METHODS: dict[str, tuple[Callable[[Workspace, Json], Json], str]] = {
    "auth.test": (_auth_test, ""),
    "chat.postMessage": (_post_message, "chat:write"),
    "chat.postEphemeral": (_post_ephemeral, "chat:write"),
    "chat.update": (_update, "chat:write"),
    "chat.delete": (_delete, "chat:write"),
    "conversations.open": (_conversation_open, "im:write"),
    "users.conversations": (_user_conversations, "channels:read"),
    "conversations.history": (_history, "channels:history"),
    "conversations.replies": (_replies, "channels:history"),
    "reactions.get": (_reactions_get, "reactions:read"),
    "users.info": (_user_info, "users:read"),
    "views.open": (_open_view, ""),
    "views.publish": (_publish_view, ""),
    "assistant.threads.setStatus": (_set_status, "assistant:write"),
    "agents.sessions.setStatus": (_set_session, "chat:write"),
    "agents.sessions.rename": (_rename_session, "chat:write"),
    "assistant.threads.setSuggestedPrompts": (_set_prompts, "assistant:write"),
    "files.getUploadURLExternal": (_upload_url, "files:write"),
    "files.completeUploadExternal": (_complete_upload, "files:write"),
}
