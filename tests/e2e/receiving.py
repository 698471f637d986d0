"""A receiver of every native channel on loopback: each checks what it is told, and keeps it as its owner would."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256
from pathlib import Path

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.exporters import schemas
from tests.exporters.chat_servers import SlackServer, TelegramServer

_STATE = re.compile(
    r"(STILL DOWN|STILL DEGRADED|DOWN|DEGRADED|UNACKNOWLEDGED|ACKNOWLEDGED|RECOVERED|PASSED) #(\d+) (\S+)"
)
_KINDS = {
    "DOWN": "opened",
    "DEGRADED": "opened",
    "STILL DOWN": "repeated",
    "STILL DEGRADED": "repeated",
    "ACKNOWLEDGED": "acknowledged",
    "UNACKNOWLEDGED": "unacknowledged",
    "RECOVERED": "resolved",
    "PASSED": "passed",
}
_EVENTS = {"trigger": "opened", "acknowledge": "acknowledged", "resolve": "resolved"}
_PEOPLE = {"D0ANA": "ana/bot", "U0ANA": "ana/bot", "77": "ana/telegram", "@ana": "ana/mattermost"}

# A program that writes down who is told what: one line, in one write.
SCRIPT = '[ -e "$0.closed" ] && exit 75; said=$(cat); printf \'%s\\t%s\\n\' "$PROBE_TO" "$said" >> "$0"'


@dataclass(frozen=True)
class Heard:
    """One thing that a receiver was told: what kind of news, and by what it would know the same thing again."""

    receiver: str
    kind: str
    identity: str


@dataclass
class Page:
    """An alert of PagerDuty's."""

    state: str = ""
    events: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Alert:
    """What Alertmanager was told of one alert: whether it fires, by the time at which it was told."""

    labels: tuple[tuple[str, str], ...]
    name: str
    fires: bool
    acked_by: str


class Receivers:
    """All of them. `faults` are what their owners would have refused."""

    def __init__(self, folder: Path) -> None:
        self.page = 200  # what the site that is watched answers
        self.heard: list[Heard] = []
        self.faults: list[str] = []
        self.slack, self.telegram = SlackServer(), TelegramServer()
        self.pages: dict[str, Page] = {}  # by deduplication key
        self.alerts: list[Alert] = []
        self.mails: list[EmailMessage] = []
        self.shown: dict[str, dict[str, str]] = {}  # on a phone: titles by topic and place
        self.port = self.smtp = 0
        self.program = folder / "told.txt"
        self._read = 0  # lines of it
        self._closed = False

    def close(self, *, closed: bool = True) -> None:
        """Take nothing, for now."""
        self._closed = closed
        mark = self.program.with_name(f"{self.program.name}.closed")
        mark.touch() if closed else mark.unlink()

    # What was heard.

    def of(self, receiver: str) -> list[Heard]:
        self._look_at_program()
        return [one for one in self.heard if one.receiver == receiver]

    def count(self) -> int:
        self._look_at_program()
        return len(self.heard)

    def _look_at_program(self) -> None:
        lines = self.program.read_text().split("\n")[:-1] if self.program.exists() else []
        for line in lines[self._read :]:
            to, _, said = line.partition("\t")
            try:
                event = schemas.check_webhook(said.encode())
                self._hear("ana/program" if to == "ana" else "program", event["type"], event["data"]["id"])
            except (AssertionError, ValueError, KeyError) as error:
                self.faults.append(f"program: {error!r}: {said[:300]}")
        self._read = len(lines)

    def _hear(self, receiver: str, kind: str, identity: str) -> None:
        self.heard.append(Heard(receiver, kind.removeprefix("incident."), identity))

    def _hear_words(self, receiver: str, words: str, identity: str) -> None:
        found = _STATE.search(words)
        assert found is not None, f"{receiver}: what is this about? {words[:200]}"
        self._hear(receiver, _KINDS[found[1]], identity)

    # The channels.

    async def show(self, _request: web.Request) -> web.Response:
        return web.Response(status=self.page, text="hello")

    async def hook(self, request: web.Request) -> web.Response:
        event = schemas.check_webhook(await request.read())
        if event["data"].get("check", "").startswith("probe/"):
            return web.Response()  # about the program itself, which may be short of processors here
        assert request.headers["webhook-id"] == event["data"]["id"]
        assert request.headers["webhook-signature"].startswith("v1,")
        self._hear("hook", event["type"], event["data"]["id"])
        return web.Response()

    async def prom(self, request: web.Request) -> web.Response:
        """What Alertmanager sends to a webhook. Source: prometheus.io/docs/alerting, configuration, webhook_config."""
        group = await request.json()
        assert group["version"] == "4"
        assert group["status"] in ("firing", "resolved")
        assert group["receiver"] == "prom"
        assert {"groupKey", "groupLabels", "commonLabels", "commonAnnotations", "externalURL"} <= set(group)
        for alert in group["alerts"]:
            assert {"status", "labels", "annotations", "startsAt", "endsAt", "fingerprint"} <= set(alert)
        fires = any(alert["status"] == "firing" for alert in group["alerts"])
        assert fires is (group["status"] == "firing")
        summary = group["alerts"][0]["annotations"]["summary"]
        self._hear_words("prom", summary, request.headers["webhook-id"])
        return web.Response()

    async def slack_hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._hear_words("slack", schemas.check_slack(body)["text"], _digest(body))
        return web.Response(text="ok")

    async def slack_post(self, request: web.Request) -> web.Response:
        answer = await self.slack.post_message(request)
        _, content = self.slack.calls[-1]
        name = _PEOPLE.get(content["channel"], "bot")
        self._hear_words(name, content["text"], _digest(json.dumps(content).encode()))
        return answer

    async def teams(self, request: web.Request) -> web.Response:
        body = await request.read()
        card = schemas.check_teams(body)["attachments"][0]["content"]
        self._hear_words("teams", card["body"][0]["inlines"][0]["text"], _digest(body))
        return web.Response(status=202)

    async def pagerduty(self, request: web.Request) -> web.Response:
        event = schemas.check_pagerduty(await request.read())
        action, key = event["event_action"], event["dedup_key"]
        alert = self.pages.setdefault(key, Page())
        assert alert.state or action == "trigger", f"{action} of an alert that is not there: {key}"
        assert not (alert.state == "resolve" and action != "resolve"), f"{action} after its end: {key}"
        alert.state = action if not (alert.state == "acknowledge" and action == "trigger") else alert.state
        alert.events.append(action)
        self._hear("pagerduty", _EVENTS[action], f"{action} {key}")
        told = {"status": "success", "message": "Event processed", "dedup_key": key}
        return web.json_response(told, status=202)

    async def alertmanager(self, request: web.Request) -> web.Response:
        now = datetime.now(UTC)
        for alert in schemas.check_alertmanager(await request.read()):
            labels, said = alert["labels"], alert["annotations"]
            fires = datetime.fromisoformat(alert["endsAt"]) > now
            known = tuple(sorted(labels.items()))
            self.alerts.append(Alert(known, labels["alertname"], fires, said.get("acknowledged_by", "")))
        return web.Response()

    async def ntfy(self, request: web.Request) -> web.Response:
        content = schemas.check_ntfy(await request.read())
        name = "ana/ntfy" if content["topic"] == "ana-phone" else "ntfy"
        self.shown.setdefault(content["topic"], {})[content["sequence_id"]] = content["title"]
        self._hear_words(name, content["title"], f"{content['sequence_id']} {content['title']}")
        return web.json_response({"id": "x", "event": "message"})

    async def telegram_call(self, request: web.Request) -> web.Response:
        answer = await self.telegram.handle(request)
        method, content = self.telegram.calls[-1]
        if method == "sendMessage":
            name = _PEOPLE.get(str(content["chat_id"]), "telegram")
            self._hear_words(name, content["text"], _digest(json.dumps(content).encode()))
        return answer

    async def discord(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._hear_words("discord", schemas.check_discord(body)["content"], _digest(body))
        return web.Response(status=204)

    async def mattermost(self, request: web.Request) -> web.Response:
        body = await request.read()
        content = schemas.check_mattermost(body)
        self._hear_words(_PEOPLE.get(content.get("channel"), "mattermost"), content["text"], _digest(body))
        return web.Response(text="ok")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's
        assert isinstance(envelope.content, bytes)
        if self._closed:
            return "451 later"
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        try:
            self.take(mail, envelope.rcpt_tos)
        except AssertionError as error:
            self.faults.append(f"mail: {error!r}")
        return "250 OK"

    def take(self, mail: EmailMessage, recipients: list[str]) -> None:
        """RFC 5322: lines below 998 characters, one Message-ID, a date; of a reply the ids that it follows."""
        assert all(len(line) < 998 for line in mail.as_bytes().splitlines())
        assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", mail["Message-ID"])
        assert mail["Date"].datetime.tzinfo is not None
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
        assert mail["Auto-Submitted"] == "auto-generated"
        self.mails.append(mail)
        (recipient,) = recipients
        name = "ana/mail" if recipient.startswith("ana@") else "mail"
        self._hear_words(name, mail["Subject"], mail["Message-ID"])

    # Their servers.

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._watched], client_max_size=1 << 20)
        app.add_routes(
            [
                web.get("/page", self.show),
                web.post("/hook", self.hook),
                web.post("/prom", self.prom),
                web.post("/services/slack", self.slack_hook),
                web.post("/slack/api/chat.postMessage", self.slack_post),
                web.post("/slack/api/chat.update", self.slack.update),
                web.post("/teams", self.teams),
                web.post("/v2/enqueue", self.pagerduty),
                web.post("/am/api/v2/alerts", self.alertmanager),
                web.post("/ntfy/", self.ntfy),
                web.post("/telegram/bot{token:[^/]+}/{method}", self.telegram_call),
                web.post("/discord", self.discord),
                web.post("/hooks/mattermost", self.mattermost),
            ]
        )
        return app

    @web.middleware
    async def _watched(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._closed and request.path != "/page":
            return web.Response(status=503)
        try:
            answer = await handler(request)
        except (AssertionError, KeyError, ValueError) as error:
            self.faults.append(f"{request.path}: {error!r}")
            return web.Response(status=400, text="that is not what we take")
        said = bytes(answer.body) if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        refused = (answer.status >= 400 and request.path != "/page") or b'"ok": false' in said
        if refused and b"message is not modified" not in said:  # what Telegram says when it is told the same again
            self.faults.append(f"{request.path}: answered {answer.status}: {said!r}")
        return answer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = int(runner.addresses[0][1])
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: SMTP(self, hostname="mail.example"), "127.0.0.1", 0)
            stack.callback(server.close)
            self.smtp = int(server.sockets[0].getsockname()[1])
            yield

    # What stands there in the end.

    def colours(self, receiver: str) -> list[str]:
        """The states that the messages of a chat show now, without their threads."""
        server = {"bot": self.slack.messages, "telegram": self.telegram.messages}[receiver.rpartition("/")[2]]
        told = server.values() if isinstance(server, dict) else ()
        mine = {"bot": "C0OPS", "ana/bot": "D0ANA", "telegram": "-1001234", "ana/telegram": "77"}[receiver]
        found = [_STATE.search(said.content["text"]) for said in told if said.chat == mine and not said.parent]
        return [_KINDS[one[1]] if one is not None else "?" for one in found]


def plain(mail: EmailMessage) -> str:
    """What a mail says, without markup."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()[:16]


RECEIVERS = """
    hook: {{webhook: {{url: "{url}/hook", secret: whsec_bWF0cml4bWF0cml4bWF0cml4bWF0cml4}}}}
    prom: {{webhook: {{url: "{url}/prom", secret: whsec_bWF0cml4bWF0cml4bWF0cml4bWF0cml4, format: alertmanager}}}}
    slack: {{slack: {{webhook: "{url}/services/slack"}}, rate: off}}
    bot: {{slack: {{token: xoxb-1-2-s3cret, channel: C0OPS, url: "{url}/slack/api"}}, rate: off}}
    teams: {{teams: {{webhook: "{url}/teams"}}}}
    pagerduty: {{pagerduty: {{routing_key: 0123456789abcdef0123456789abcdef, url: "{url}/v2/enqueue"}}}}
    alertmanager: {{alertmanager: {{urls: ["{url}/am"]}}}}
    mail: {{email: {{smtp: "127.0.0.1:{smtp}", from: probe@shop.example, to: [ops@shop.example], tls: none}}}}
    ntfy: {{ntfy: {{topic: ops, server: "{url}/ntfy"}}}}
    telegram: {{telegram: {{token: "{token}", chat: -1001234, url: "{url}/telegram"}}, rate: off}}
    discord: {{discord: {{webhook: "{url}/discord"}}}}
    mattermost: {{mattermost: {{webhook: "{url}/hooks/mattermost"}}}}
    program: {{command: {{run: [/bin/sh, -c, {script}, {program}]}}}}
"""
CHANNELS = tuple(re.findall(r"^    (\w+):", RECEIVERS, re.MULTILINE))
CONTACTS = {
    "mail": "ana@shop.example",
    "ntfy": "ana-phone",
    "telegram": "77",
    "bot": "U0ANA",
    "mattermost": "@ana",
    "program": "ana",
}


def receivers_section(receivers: Receivers) -> str:
    """The receivers as a configuration names them."""
    return RECEIVERS.format(
        url=f"http://127.0.0.1:{receivers.port}",
        smtp=receivers.smtp,
        token=receivers.telegram.token,
        script=json.dumps(SCRIPT),
        program=json.dumps(str(receivers.program)),
    )
