"""A Telegram chat, group, topic or channel, by a bot. An incident is one message, kept up to date, with replies.

Source: core.telegram.org/bots/api. Texts are HTML of which everything is escaped; `@name` mentions nobody.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from exporters.answer import accept
from exporters.api import Scalars, dead, scalars, short, wait, word
from exporters.base import Notice, NoticeKind, NotifyError, Post, Response, Trouble
from exporters.card import cut, grid, light, lists, loud, prose, together, unmentioned, utf16
from exporters.message import footnote, headline, lede, links, summary, tidy
from exporters.receiver import Receiver, hidden_parts, host_of, public_url

_log = logging.getLogger(__name__)
_TOKEN = re.compile(r"\d{5,20}:[-_A-Za-z0-9]{20,100}")
_CHAT = re.compile(r"-?\d{1,20}|@[A-Za-z][A-Za-z0-9_]{3,31}")
# 4096 after entities; counted here with them, as UTF-16, which is never less.
_LIMIT = 4000
_TITLE, _LEDE, _FIELD, _LINE, _FOOT = 500, 2000, 500, 400, 700
_BUTTONS, _WORDS = 8, 60
_ENOUGH = 1500  # of them for what happened: links that leave less than that are left out
# Part of what is said where the chat takes nothing any more: it is not there, or the bot may not speak there.
_NO_CHAT = (
    "bot is not a member",
    "bot was blocked",
    "bot was kicked",
    "chat not found",
    "chat_restricted",
    "chat_write_forbidden",
    "group chat was deactivated",
    "have no rights to send",
    "message thread not found",
    "need administrator rights",
    "not enough rights to send",
    "peer_id_invalid",
    "topic_closed",
    "topic_deleted",
    "user is deactivated",
    "user not found",
)
_STALE = ("message to edit not found", "message can't be edited", "message_id_invalid")
_SAME = "message is not modified"

Content = Mapping[str, Any]


def _bot_token(token: SecretStr) -> SecretStr:
    plain = token.get_secret_value().strip()
    if not _TOKEN.fullmatch(plain):
        raise ValueError("no token of a bot; @BotFather gives it, digits, a colon and letters: 110201543:AAHdqTcv...")
    return SecretStr(plain)


def _chat(name: str) -> str:
    if not _CHAT.fullmatch(name):
        raise ValueError(f"{name!r} is no chat; write its id, as -1001234567890, or the name of a public one, as @ops")
    return name


Chat = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if isinstance(given, int) else given),
    AfterValidator(_chat),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]


def escape(text: str) -> str:
    """What HTML needs, and no mention."""
    return escape_html(unmentioned(text), quote=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """A chat, and a message in it where there is one."""

    chat: str
    message: int = 0

    @classmethod
    def of(cls, reference: str) -> _Place | None:
        chat, _, number = reference.rpartition(":")
        return cls(chat, int(number)) if chat and number.isascii() and number.isdigit() else None

    @property
    def id(self) -> int | str:
        return self.chat if self.chat.startswith("@") else int(self.chat)


class Telegram(Receiver):
    """A chat in Telegram."""

    token: Annotated[SecretStr, AfterValidator(_bot_token)] = Field(
        description="Token of the bot, from @BotFather. A secret: it is never shown."
    )
    chat: Chat = Field(description="Id of the chat, group or channel, as -1001234567890, or @name of a public one.")
    topic: int = Field(default=0, ge=0, description="Topic of a group that has some: its message_thread_id.")
    url: Annotated[str, AfterValidator(public_url)] = Field(
        default="https://api.telegram.org", description="Address of the Bot API, where one runs one's own."
    )

    def addressed(self, to: str) -> Telegram:
        """The same bot, another chat: people must have said /start to it."""
        return self.model_copy(update={"chat": _chat(to), "topic": 0})

    async def send(self, notice: Notice, post: Post) -> None:
        await self.tell(notice, post, "")

    async def tell(self, notice: Notice, post: Post, reference: str) -> str:
        """As `send`. The message that `reference` names ("chat:number") is changed, and answered with the news."""
        notice = tidy(notice)
        if notice.kind is NoticeKind.BULLETIN:
            await self._begin(notice, post)
            return reference
        place = _Place.of(reference)
        # First the message, then its answer: an edit that is sent twice does no harm.
        if place is None or not await self._edit(notice, place, post):
            return await self._begin(notice, post)
        await self._answer(notice, place, post)
        return reference

    async def _begin(self, notice: Notice, post: Post) -> str:
        told, chat = await self._say(forms(notice), _Place(self.chat), post)
        return f"{chat}:{told.get('message_id')}"

    async def _answer(self, notice: Notice, place: _Place, post: Post) -> None:
        reply = {"message_id": place.message, "allow_sending_without_reply": True}
        quiet = {"reply_parameters": reply, "disable_notification": not loud(notice)}
        await self._say([{**content, **quiet} for content in (news(notice), plain(notice))], place, post)

    async def _say(self, contents: Sequence[Content], place: _Place, post: Post) -> tuple[Scalars, str]:
        """What the chat answered to the first content whose form it takes; and the chat, which may have moved."""
        topic = {"message_thread_id": self.topic} if self.topic else {}
        for body in contents:
            response = await self._call("sendMessage", {"chat_id": place.id, **topic, **body}, post)
            told = scalars(response)
            if moved := told.get("migrate_to_chat_id"):
                _log.warning("telegram: chat %s has become %s; write that in the configuration", place.chat, moved)
                place = _Place(str(moved))
                response = await self._call("sendMessage", {"chat_id": place.id, **body}, post)
                told = scalars(response)
            if not _refuses_form(response, told):
                break
        return self._taken(response, told), place.chat

    async def _edit(self, notice: Notice, place: _Place, post: Post) -> bool:
        """Whether the message was still there to be changed."""
        where = {"chat_id": place.id, "message_id": place.message}
        for body in forms(notice):
            response = await self._call("editMessageText", {**where, **body}, post)
            told = scalars(response)
            said = word(told, "description").lower()
            if _SAME in said:
                return True
            if any(words in said for words in (*_STALE, *_NO_CHAT)) or told.get("migrate_to_chat_id"):
                return False
            if not _refuses_form(response, told):
                break
        self._taken(response, told)
        return True

    async def _call(self, method: str, content: Content, post: Post) -> Response:
        address = f"{self.url}/bot{self.token.get_secret_value()}/{method}"
        return await post(address, msgspec.json.encode(content), {"Content-Type": "application/json"})

    def _taken(self, response: Response, told: Scalars) -> Scalars:
        """The answer, if it says ok; raises what it means otherwise."""
        token = self.token.get_secret_value()
        name, hidden = f"telegram {host_of(self.url)}", (token, *hidden_parts(f"{self.url}/bot{token}/sendMessage"))
        if told.get("ok") is True:
            return told
        said = word(told, "description")
        if response.status in (401, 404):  # 404 is what a token gets that never was
            raise dead(name, f"answered {response.status}: the token is not valid", hidden, Trouble.AUTH)
        if response.status == 403 or any(words in said.lower() for words in _NO_CHAT):
            raise dead(name, f"answered {response.status}: {said}", hidden)
        if response.status == 429:
            raise NotifyError(f"{name}: {short(said, hidden)}", retry_after=wait(told), kind=Trouble.RATE)
        accept(response, name, hidden)
        raise NotifyError(f"{name}: the answer is not Telegram's: {short(response.text, hidden)}")


def _refuses_form(response: Response, told: Scalars) -> bool:
    """Whether something simpler may be taken, such as a message without a button that leads to no public host."""
    said = word(told, "description").lower()
    return response.status == 400 and not any(words in said for words in _NO_CHAT)


def forms(notice: Notice) -> tuple[Content, ...]:
    """The whole notice with buttons; with links in their place, where one leads to no public host; one plain line."""
    keyboard = _keyboard(notice)
    return (message(notice), *((_content(_whole(notice, links(notice)), []),) if keyboard else ()), plain(notice))


def message(notice: Notice) -> Content:
    """The whole notice: text and buttons."""
    return _content(_whole(notice, ()), _keyboard(notice))


def news(notice: Notice) -> Content:
    """What has happened now, as an answer to the message; with buttons where it must be heard."""
    said = f"{light(notice)} {cut(summary(notice), _LEDE, escape, utf16)}"
    return _content(said, _keyboard(notice) if loud(notice) else [])


def plain(notice: Notice) -> Content:
    """One line, prose and the links, without marks: for a server that refuses the rest."""
    lines = [f"{light(notice)} {cut(summary(notice), _TITLE, unmentioned, utf16)}"]
    lines += [cut(prose(notice), _LEDE, unmentioned, utf16)]
    lines += [f"{unmentioned(words)}: {url}" for words, url in links(notice)]
    return {"text": together(lines, _LIMIT, utf16), "link_preview_options": {"is_disabled": True}}


def _content(text: str, keyboard: Sequence[Sequence[Mapping[str, str]]]) -> Content:
    buttons = {"reply_markup": {"inline_keyboard": keyboard}} if keyboard else {}
    return {"text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}, **buttons}


def _keyboard(notice: Notice) -> list[list[Mapping[str, str]]]:
    """Two buttons in a row."""
    buttons = [{"text": cut(words, _WORDS), "url": url} for words, url in links(notice)[:_BUTTONS]]
    return [list(buttons[at : at + 2]) for at in range(0, len(buttons), 2)]


def _whole(notice: Notice, there: Sequence[tuple[str, str]]) -> str:
    """The notice in paragraphs, and places to go below it."""
    places = [f"{escape(words)}: {escape_html(url)}" for words, url in there]
    small = f"\n<i>{_cut(footnote(notice), _FOOT)}</i>" if footnote(notice) else ""
    room = _LIMIT - sum(utf16(place) + 1 for place in [*places, small])
    if room < _ENOUGH:
        places, room = [], _LIMIT - utf16(small) - 1
    return "\n".join(filter(None, [together(_paragraphs(notice), room, utf16), small, *places]))


def _paragraphs(notice: Notice) -> Iterator[str]:
    """What was seen by the run comes last, and goes first."""
    yield f"<b>{light(notice)} {_cut(headline(notice), _TITLE)}</b>"
    name, said = lede(notice)
    yield f"<b>{name}</b> {_cut(said, _LEDE)}" if name else _cut(said, _LEDE)
    yield from (f"<b>{_cut(name, 100)}</b> {_cut(said, _FIELD)}" for name, said in grid(notice))
    for name, lines in lists(notice):
        yield f"\n<b>{name}</b>"
        yield from (f"• {_cut(line, _LINE)}" for line in lines)


def _cut(text: str, limit: int) -> str:
    return cut(text, limit, escape, utf16)


RECEIVER = Telegram
