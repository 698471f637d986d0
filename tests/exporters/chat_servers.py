"""Chat servers on loopback that remember what they were told, as the real ones do: messages, their changes, threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.exporters.schemas import check_slack, check_telegram


@dataclass
class Said:
    """One message: as it is now, and what it answers."""

    chat: str
    content: Any
    parent: str = ""
    changes: int = 0


@dataclass
class SlackServer:
    """Two methods of Slack's API, for one token. `errors` are said, one for each call; it obeys where one is empty."""

    url: str = ""
    token: str = "xoxb-1-2-s3cret"
    channels: dict[str, str] = field(default_factory=lambda: {"#ops": "C0OPS", "C0OPS": "C0OPS", "U0ANA": "D0ANA"})
    messages: dict[str, Said] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: int = 30

    def in_channel(self) -> list[Said]:
        """What everybody sees without opening a thread."""
        return [said for said in self.messages.values() if not said.parent or said.content.get("reply_broadcast")]

    async def post_message(self, request: web.Request) -> web.Response:
        content, refused = await self._read(request, "chat.postMessage")
        if refused is not None:
            return refused
        parent = content.get("thread_ts", "")
        if parent and parent not in self.messages:
            return _error("thread_not_found")
        ts = f"{1_795_255_200 + len(self.messages)}.000100"
        channel = self.channels.get(content["channel"], content["channel"])
        self.messages[ts] = Said(channel, content, parent)
        return _ok({"channel": channel, "ts": ts, "message": content})

    async def update(self, request: web.Request) -> web.Response:
        content, refused = await self._read(request, "chat.update")
        if refused is not None:
            return refused
        said = self.messages.get(content["ts"])
        if said is None or said.chat != content["channel"]:
            return _error("message_not_found")
        said.content, said.changes = content, said.changes + 1
        return _ok({"channel": said.chat, "ts": content["ts"], "text": content["text"], "message": content})

    async def _read(self, request: web.Request, method: str) -> tuple[Any, web.Response | None]:
        content = check_slack(await request.read())
        self.calls.append((method, content))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return content, _error("invalid_auth")
        assert request.content_type == "application/json"
        if self.errors and (error := self.errors.pop(0)):
            return content, self._refusal(error)
        known = {*self.channels, *self.channels.values()}
        return content, None if content["channel"] in known else _error("channel_not_found")

    def _refusal(self, error: str) -> web.Response:
        if error == "ratelimited":
            return web.json_response(
                {"ok": False, "error": error}, status=429, headers={"Retry-After": str(self.seconds)}
            )
        if error == "502":
            return web.Response(status=502, text="<html>bad gateway</html>")
        if error == "proxy":
            return web.Response(status=200, text="<html>please log in</html>")
        return _error(error)


def _ok(told: Any) -> web.Response:
    return web.json_response({"ok": True, **told})


def _error(error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error})


@asynccontextmanager
async def slack_server() -> AsyncIterator[SlackServer]:
    slack = SlackServer()
    app = web.Application()
    app.router.add_post("/api/chat.postMessage", slack.post_message)
    app.router.add_post("/api/chat.update", slack.update)
    async with TestServer(app, host="127.0.0.1", port=0) as server:
        slack.url = str(server.make_url("/api"))
        yield slack


@dataclass
class TelegramServer:
    """Two methods of the Bot API, for one bot. `errors` are said, one after the other, before it obeys again."""

    url: str = ""
    token: str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    chats: set[int | str] = field(default_factory=lambda: {-1001234, 77})
    messages: dict[int, Said] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    errors: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    public_only: bool = False
    number: int = 99

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if request.match_info["token"] != self.token:
            return _refusal(401, "Unauthorized")
        content = check_telegram(await request.read())
        self.calls.append((method, content))
        if self.errors:
            return _refusal(*self.errors.pop(0))
        if content["chat_id"] not in self.chats:
            return _refusal(400, "Bad Request: chat not found")
        if self.public_only and any("localhost" in url for url in _urls(content)):
            return _refusal(
                400, "Bad Request: inline keyboard button URL 'http://localhost/' is invalid: Wrong HTTP URL"
            )
        return self._edit(content) if method == "editMessageText" else self._send(content)

    def _send(self, content: Any) -> web.Response:
        self.number += 1
        parent = content.get("reply_parameters", {}).get("message_id", "")
        answered = str(parent) if parent in self.messages else ""
        self.messages[self.number] = Said(str(content["chat_id"]), content, answered)
        return _result(self.number, content)

    def _edit(self, content: Any) -> web.Response:
        said = self.messages.get(content["message_id"])
        if said is None:
            return _refusal(400, "Bad Request: message to edit not found")
        if said.content["text"] == content["text"] and said.content.get("reply_markup") == content.get("reply_markup"):
            return _refusal(400, "Bad Request: message is not modified: specified new message content is the same")
        said.content, said.changes = content, said.changes + 1
        return _result(content["message_id"], content)


def _urls(content: Any) -> list[str]:
    rows = content.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["url"] for row in rows for button in row]


def _result(number: int, content: Any) -> web.Response:
    chat = {"id": content["chat_id"], "type": "supergroup", "title": "ops"}
    sender = {"id": 110201543, "is_bot": True, "first_name": "Probe"}
    told = {"message_id": number, "from": sender, "chat": chat, "date": 1_795_255_200, "text": content["text"]}
    return web.json_response({"ok": True, "result": told})


def _refusal(code: int, description: str, parameters: dict[str, Any] | None = None) -> web.Response:
    told = {"ok": False, "error_code": code, "description": description}
    return web.json_response({**told, **({"parameters": parameters} if parameters else {})}, status=code)


@asynccontextmanager
async def telegram_server() -> AsyncIterator[TelegramServer]:
    telegram = TelegramServer()
    app = web.Application()
    app.router.add_post("/bot{token:[^/]+}/{method}", telegram.handle)
    async with TestServer(app, host="127.0.0.1", port=0) as server:
        telegram.url = str(server.make_url("/")).rstrip("/")
        yield telegram
