"""A Slack channel, by an incoming webhook or by the token of an app. Block Kit, with plain text for notifications.

With a token an incident is one message, kept up to date, and what happens stands in its thread. A webhook can neither
change a message nor answer one: there each notice is a message. Compatible servers (Rocket.Chat) show the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Self

import msgspec
from pydantic import AfterValidator, Field, SecretStr, model_validator

from exporters.answer import accept, answered
from exporters.api import Scalars, dead, scalars, short, word
from exporters.base import Notice, NoticeKind, NotifyError, Post, Response
from exporters.blocks import Block, brief, escape, message, news, text
from exporters.card import loud
from exporters.message import tidy
from exporters.receiver import Address, Receiver, hidden_parts, host_of, public_url
from exporters.slack_words import DEAD_HOOK, FORM, STALE, refusal

__all__ = ["RECEIVER", "Slack", "escape", "message"]

_CHANNEL = re.compile(r"[CDGUW][A-Z0-9]{2,40}|#[^\s#@,]{1,80}")


def _bot_token(token: SecretStr) -> SecretStr:
    plain = token.get_secret_value().strip()
    if not plain.startswith(("xoxb-", "xoxp-", "xoxe.")) or not plain.isascii() or not plain.isprintable():
        raise ValueError("no token that can post; it begins with xoxb- and is called Bot User OAuth Token")
    return SecretStr(plain)


def _channel(name: str) -> str:
    if name and not _CHANNEL.fullmatch(name):
        raise ValueError(f"{name!r} is no channel; write its id, as C0123456789, or its name, as #ops")
    return name


class Slack(Receiver):
    """A channel in Slack: by `webhook`, or by `token` and `channel`."""

    webhook: Address | None = Field(
        default=None, description="URL of an incoming webhook. A secret: it is never shown. Without `token`."
    )
    token: Annotated[SecretStr, AfterValidator(_bot_token)] | None = Field(
        default=None,
        description="Bot token of an app with the scope chat:write, xoxb-... A secret: it is never shown. With it an "
        "incident is one message that is kept up to date, with a thread.",
    )
    channel: Annotated[str, AfterValidator(_channel)] = Field(
        default="",
        description="Where to post with `token`: id of a channel (C...), id of a member (U...), or a name as #ops.",
    )
    url: Annotated[str, AfterValidator(public_url)] = Field(
        default="https://slack.com/api", description="Where the methods of the API are, for servers that speak it too."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.webhook is None) is (self.token is None):
            raise ValueError("choose one of `webhook`, and `token` with `channel`")
        if (self.token is not None) is not bool(self.channel):
            raise ValueError("`token` and `channel` go together; a webhook has its own channel")
        return self

    def addressed(self, to: str) -> Slack:
        """The same app, in another channel or to a member."""
        if self.token is None:
            raise ValueError("a Slack webhook posts to its own channel alone; people are reached with `token`")
        if not to:
            raise ValueError("an empty address; write the id of a member, as U0123456789, or of a channel")
        return self.model_copy(update={"channel": _channel(to)})

    async def send(self, notice: Notice, post: Post) -> None:
        await self.tell(notice, post, "")

    async def tell(self, notice: Notice, post: Post, reference: str) -> str:
        """As `send`. By a token the message that `reference` names ("channel:ts") is updated, and answered."""
        notice = tidy(notice)
        if self.webhook is not None:
            await self._hook(notice, self.webhook.get_secret_value(), post)
            return reference
        if notice.kind is NoticeKind.BULLETIN:
            await self._begin(notice, post)
            return reference
        channel, _, ts = reference.partition(":")
        # First the message, then its thread: an update that is sent twice does no harm.
        if not ts or not await self._update(notice, channel, ts, post):
            return await self._begin(notice, post)
        await self._answer(notice, channel, ts, post)
        return reference

    async def _begin(self, notice: Notice, post: Post) -> str:
        quiet = {"unfurl_links": False, "unfurl_media": False}
        said = self._taken(await self._put("chat.postMessage", {"channel": self.channel, **quiet}, notice, post))
        return f"{word(said, 'channel')}:{word(said, 'ts')}"

    async def _update(self, notice: Notice, channel: str, ts: str, post: Post) -> bool:
        """Whether the message was still there to be changed."""
        where = {"channel": channel, "ts": ts, "parse": "none", "link_names": False}
        said = await self._put("chat.update", where, notice, post)
        if word(said, "error") in STALE:
            return False
        self._taken(said)
        return True

    async def _answer(self, notice: Notice, channel: str, ts: str, post: Post) -> None:
        where = {"channel": channel, "thread_ts": ts, "reply_broadcast": loud(notice), "unfurl_links": False}
        said = await self._call("chat.postMessage", {**where, **news(notice)}, post)
        if word(said, "error") not in STALE:
            self._taken(said)

    async def _put(self, method: str, where: Block, notice: Notice, post: Post) -> Scalars:
        """What Slack says to the message; to a shorter one or to one line, where it refuses the form of the whole."""
        said: Scalars = {}
        for content in (message(notice), brief(notice), {"text": text(notice), "blocks": []}):
            said = await self._call(method, {**where, **content}, post)
            if word(said, "error") not in FORM:
                break
        return said

    async def _call(self, method: str, content: Block, post: Post) -> Scalars:
        assert self.token is not None
        headers = {**_JSON, "Authorization": f"Bearer {self.token.get_secret_value()}"}
        response = await post(f"{self.url}/{method}", msgspec.json.encode(content), headers)
        accept(response, self._called, self._hidden)
        told = scalars(response)
        if "ok" not in told:
            raise NotifyError(f"{self._called}: the answer is not Slack's: {short(response.text, self._hidden)}")
        return told

    def _taken(self, said: Scalars) -> Scalars:
        """The answer, if it says ok; raises what its error means otherwise."""
        if said.get("ok") is True:
            return said
        raise refusal(word(said, "error"), self._called, self._hidden)

    @property
    def _called(self) -> str:
        return f"slack {self.channel}"

    @property
    def _hidden(self) -> tuple[str, ...]:
        return (self.token.get_secret_value(),) if self.token is not None else ()

    async def _hook(self, notice: Notice, url: str, post: Post) -> None:
        response = await _to_hook(url, message(notice), post)
        if response.status == 400 and ("invalid" in response.text or "too_long" in response.text):
            # A message that is refused for its form is said in plain words: better than not at all.
            response = await _to_hook(url, {"text": text(notice)}, post)
        if response.status >= 400 and response.text.strip() in DEAD_HOOK:
            said = f"answered {response.status}: {response.text.strip()}"
            raise dead(f"slack {host_of(url)}", said, hidden_parts(url))
        accept(response, f"slack {host_of(url)}", hidden_parts(url), gone=answered(404, 410))


_JSON: Mapping[str, str] = {"Content-Type": "application/json; charset=utf-8"}


async def _to_hook(url: str, content: Block, post: Post) -> Response:
    return await post(url, msgspec.json.encode(content), _JSON)


RECEIVER = Slack
