"""Phones and desktops, by ntfy: the public server or one's own. A topic there is as good as a password.

What wakes people is a notification of its own. What merely follows, an acknowledgement or the end, takes its place on
the screen (`sequence_id`, server 2.16 or later; older ones show it beside).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import AfterValidator, Field, SecretStr, model_validator

from exporters.answer import accept, answered
from exporters.base import Notice, NoticeKind, Post, Response
from exporters.card import cut, grid, lists, loud, together, utf8
from exporters.message import Mood, footnote, headline, lede, links, mood, tidy
from exporters.receiver import Receiver, host_of, public_url
from thresholds.base import Level

# Source: docs.ntfy.sh/publish, "Limitations": a message of more than 4,096 bytes becomes a file; and "Action buttons".
_MESSAGE, _TITLE, _BUTTONS, _LABEL = 3900, 240, 3, 60  # bytes, bytes, buttons, characters
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
_TAGS: Mapping[Mood, str] = {
    Mood.DOWN: "red_circle",
    Mood.DEGRADED: "orange_circle",
    Mood.TAKEN: "large_blue_circle",
    Mood.OVER: "green_circle",
    Mood.NEWS: "mega",
}
_GONE = answered(401, 403)  # a token that was revoked, or a topic that this user may not write to
_DEFAULT = 3  # the priority of what says none
Severity = Literal["page", "ticket", "log"]
Priority = Annotated[int, Field(ge=1, le=5)]
_PRIORITIES: Mapping[Severity, int] = {"page": 5, "ticket": 3, "log": 2}


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError(f"{name!r} is no topic; write 1 to 64 letters, digits, `-` and `_`")
    return name


class Ntfy(Receiver):
    """A topic of ntfy."""

    topic: Annotated[str, AfterValidator(_topic)] = Field(description="Topic to publish to.")
    server: Annotated[str, AfterValidator(public_url)] = Field(
        default="https://ntfy.sh", description="Address of the server, without the topic."
    )
    token: SecretStr | None = Field(default=None, description="Access token, tk_... A secret: it is never shown.")
    username: str = Field(default="", description="User name, instead of a token.")
    password: SecretStr | None = Field(default=None, description="Password of the user.")
    priorities: Mapping[Severity, Priority] = Field(
        default=_PRIORITIES,
        description="ntfy's priority, 1 to 5, of each severity. 5 keeps ringing where the app is told so, 2 is silent.",
    )

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        if bool(self.username) is not (self.password is not None):
            raise ValueError("logging in needs both `username` and `password`")
        if self.username and self.token is not None:
            raise ValueError("choose one of `token`, and `username` with `password`")
        return self

    def addressed(self, to: str) -> Ntfy:
        """The same server, another topic."""
        return self.model_copy(update={"topic": _topic(to)})

    async def send(self, notice: Notice, post: Post) -> None:
        await self.tell(notice, post, "")

    async def tell(self, notice: Notice, post: Post, reference: str) -> str:
        """As `send`. `reference` is the notification that one of what merely follows takes the place of."""
        notice = tidy(notice)
        bulletin = notice.kind is NoticeKind.BULLETIN
        own = "p" + sha256(f"{notice.instance}\n{notice.id}".encode()).hexdigest()[:40]
        place = own if bulletin or not reference or loud(notice) else reference
        response = await self._post(publication(notice, self.topic, place, self.priority(notice)), post)
        self._check(response)
        return reference if bulletin else place

    async def _post(self, content: Mapping[str, Any], post: Post) -> Response:
        # JSON is published to the root of the server, not to the topic (docs.ntfy.sh/publish, "Publish as JSON").
        headers = {"Content-Type": "application/json", **self._login()}
        return await post(f"{self.server}/", msgspec.json.encode(content), headers)

    def _login(self) -> Mapping[str, str]:
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token.get_secret_value().strip()}"}
        if self.password is None:
            return {}
        pair = f"{self.username}:{self.password.get_secret_value()}".encode()
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}

    def _check(self, response: Response) -> None:
        secrets = [secret.get_secret_value() for secret in (self.token, self.password) if secret is not None]
        name, hidden = f"ntfy {host_of(self.server)}", (self.topic, *secrets)
        accept(response, name, hidden, gone=_GONE)

    def priority(self, notice: Notice) -> int:
        """By severity, and by level where a check has none; what merely follows wakes nobody."""
        if notice.kind is NoticeKind.BULLETIN:
            return _DEFAULT
        if notice.severity == "page" or (not notice.severity and notice.level is Level.DOWN):
            severity: Severity = "page"
        else:
            severity = "log" if notice.severity == "log" else "ticket"
        priority = self.priorities.get(severity, _PRIORITIES[severity])
        if loud(notice):
            return priority
        return min(priority, _DEFAULT if not notice.firing else _DEFAULT - 1)


def publication(notice: Notice, topic: str, place: str, priority: int) -> Mapping[str, Any]:
    """The notification as the server takes it. `place` is what one that follows can take the place of."""
    told = links(notice)
    return {
        "topic": topic,
        "title": cut(headline(notice), _TITLE, size=utf8),
        "message": together(_lines(notice), _MESSAGE, utf8) or headline(notice),
        "priority": priority,
        "tags": [_TAGS[mood(notice)]],
        "sequence_id": place,
        **({"click": notice.link or told[0][1]} if told else {}),
        **({"actions": [_button(words, url) for words, url in told[:_BUTTONS]]} if told else {}),
    }


def _button(words: str, url: str) -> Mapping[str, Any]:
    return {"action": "view", "label": cut(words, _LABEL), "url": url, "clear": False}


def _lines(notice: Notice) -> list[str]:
    """Plain text, the first lines of which are what a screen that is locked shows."""
    name, said = lede(notice)
    lines = [cut(f"{name}: {said}" if name and not notice.firing else said, 2000, size=utf8)]
    lines += [cut(f"{name}: {said}", 600, size=utf8) for name, said in grid(notice)]
    for name, listed in lists(notice):
        lines += [name, *(cut(f"- {line}", 400, size=utf8) for line in listed)]
    return [*lines, cut(footnote(notice), 600, size=utf8)]


RECEIVER = Ntfy
