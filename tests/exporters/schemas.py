"""What each receiver takes, as its owners publish it: every function raises AssertionError, or returns what was read.

They know nothing of how the messages are made. The source of each figure stands beside it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def read(body: bytes | str | Any) -> Any:
    return json.loads(body) if isinstance(body, bytes | str) else body


def all_texts(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [text for value in content.values() for text in all_texts(value)]
    if isinstance(content, list):
        return [text for value in content for text in all_texts(value)]
    return [content] if isinstance(content, str) else []


def check_link(url: Any, longest: int = 2048) -> None:
    parts = urlsplit(url)
    assert parts.scheme in ("http", "https")
    assert parts.netloc
    assert len(url) <= longest
    assert not re.search(r"[\s<>\"]", url)


def check_instant(text: str) -> None:
    assert datetime.fromisoformat(text).tzinfo is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text)


def check_slack(body: bytes | str | Any) -> Any:
    """docs.slack.dev, reference of blocks: header, section, actions, context, button; arguments of chat.postMessage."""
    content = read(body)
    assert 0 < len(content["text"]) <= 4000  # longer texts are cut: "Truncating content"
    blocks = content.get("blocks", [])
    assert len(blocks) <= 50
    for block in blocks:
        _check_slack_block(block)
    identities = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(set(identities)) == len(identities)
    # slackapi/bolt-js, issue 2509: about 13,200 characters in all.
    assert sum(map(len, all_texts(blocks))) < 13_200
    for marked in [content["text"], *_marked(blocks)]:
        assert not re.search(r"<[!@#]", marked)  # a mention or a channel that somebody smuggled in
    if "channel" in content:
        assert re.fullmatch(r"[CDGUW][A-Z0-9]+|#\S+", content["channel"])
    for name in ("ts", "thread_ts"):
        if name in content:
            assert re.fullmatch(r"\d+\.\d+", content[name])
    return content


def _marked(content: Any) -> list[str]:
    if isinstance(content, list):
        return [text for value in content for text in _marked(value)]
    if not isinstance(content, dict):
        return []
    own = [content["text"]] if content.get("type") == "mrkdwn" else []
    return [*own, *(text for value in content.values() for text in _marked(value))]


def _check_slack_block(block: Any) -> None:
    match block["type"]:
        case "header":
            assert block["text"]["type"] == "plain_text"
            assert 0 < len(block["text"]["text"]) <= 150
        case "section":
            assert "text" in block or "fields" in block
            assert 0 < len(block.get("text", {}).get("text", "x")) <= 3000
            assert 0 < len(block.get("fields", ["x"])) <= 10
            assert all(0 < len(field["text"]) <= 2000 for field in block.get("fields", []))
        case "actions":
            assert 0 < len(block["elements"]) <= 25
            for button in block["elements"]:
                assert button["type"] == "button"
                assert button["text"]["type"] == "plain_text"
                assert 0 < len(button["text"]["text"]) <= 75
                assert 0 < len(button["action_id"]) <= 255
                check_link(button["url"], 3000)
            identities = [button["action_id"] for button in block["elements"]]
            assert len(set(identities)) == len(identities)
        case "context":
            assert 0 < len(block["elements"]) <= 10
            assert all(element["text"] for element in block["elements"])
        case other:
            raise AssertionError(f"unknown block {other}")


# adaptivecards.io, explorer: what exists in version 1.2, and the values that its properties take.
_COLOURS = {"default", "dark", "light", "accent", "good", "warning", "attention"}
_SPACINGS = {"none", "small", "default", "medium", "large", "extraLarge", "padding"}
_SIZES = {"default", "small", "medium", "large", "extraLarge"}
_RUN = {"type", "text", "weight", "size", "color", "isSubtle", "italic", "strikethrough", "highlight"}


def check_teams(body: bytes | str | Any) -> Any:
    """learn.microsoft.com: the envelope that workflows take, Adaptive Card 1.2, about 28 KB for a message."""
    raw = body if isinstance(body, bytes) else json.dumps(read(body)).encode()
    assert len(raw) <= 28 * 1024
    content = read(body)
    assert content["type"] == "message"
    (attachment,) = content["attachments"]
    assert set(attachment) == {"contentType", "contentUrl", "content"}
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    card = attachment["content"]
    assert (card["type"], card["version"], card["msteams"]) == ("AdaptiveCard", "1.2", {"width": "full"})
    assert card["$schema"] == "http://adaptivecards.io/schemas/adaptive-card.json"
    assert card["body"]
    for element in card["body"]:
        _check_rich_text(element)
    actions = card.get("actions", [])
    assert len(actions) <= 6  # learn.microsoft.com, "Types of cards": six actions
    for action in actions:
        assert set(action) == {"type", "title", "url"}
        assert action["type"] == "Action.OpenUrl"
        assert action["title"]
        check_link(action["url"])
    return content


def _check_rich_text(element: Any) -> None:
    # Texts of a TextBlock and of a FactSet are Markdown; those of a TextRun are not.
    assert set(element) <= {"type", "inlines", "spacing"}
    assert element["type"] == "RichTextBlock"
    assert element.get("spacing", "none") in _SPACINGS
    assert element["inlines"]
    for run in element["inlines"]:
        assert set(run) <= _RUN
        assert run["type"] == "TextRun"
        assert run["text"]
        assert "\n" not in run["text"]
        assert run.get("color", "default") in _COLOURS
        assert run.get("size", "default") in _SIZES
        assert run.get("weight", "default") in {"default", "lighter", "bolder"}


def check_ntfy(body: bytes | str | Any) -> Any:
    """docs.ntfy.sh/publish: "Publish as JSON", "Action buttons", "Limitations"; server/server.go for the names."""
    content = read(body)
    assert set(content) <= {"topic", "title", "message", "priority", "tags", "sequence_id", "click", "actions"}
    assert re.fullmatch(r"[-_A-Za-z0-9]{1,64}", content["topic"])
    assert re.fullmatch(r"[-_A-Za-z0-9]{1,64}", content["sequence_id"])
    assert 0 < len(content["message"].encode()) <= 4096
    assert 0 < len(content["title"].encode()) <= 250
    assert "\n" not in content["title"]
    assert content["priority"] in range(1, 6)
    assert all(re.fullmatch(r"[a-z_]+", tag) for tag in content["tags"])
    if "click" in content:
        check_link(content["click"])
    assert len(content.get("actions", [])) <= 3
    for action in content.get("actions", []):
        assert set(action) == {"action", "label", "url", "clear"}
        assert action["action"] == "view"
        assert action["label"]
        check_link(action["url"])
    return content


class _Markup(HTMLParser):
    """The text that Telegram shows, and the tags it is made of."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in {"b", "i", "u", "s", "code", "pre", "a", "blockquote"}
        assert tag == "a" or not attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check_telegram(body: bytes | str | Any) -> Any:
    """core.telegram.org/bots/api: sendMessage, editMessageText, InlineKeyboardButton, "HTML style"."""
    content = read(body)
    assert set(content) <= {
        "chat_id",
        "message_thread_id",
        "message_id",
        "text",
        "parse_mode",
        "link_preview_options",
        "reply_markup",
        "reply_parameters",
        "disable_notification",
    }
    assert isinstance(content["chat_id"], int) or re.fullmatch(r"@\w{4,32}", content["chat_id"])
    shown = _shown(content)
    assert 0 < utf16(shown.strip()) <= 4096  # "1-4096 characters after entities parsing"
    assert not re.search(r"(?<![\w/])@\w", shown)  # it would be a mention
    assert content["link_preview_options"] == {"is_disabled": True}  # a preview would follow the links that act
    rows = content.get("reply_markup", {}).get("inline_keyboard", [])
    assert sum(map(len, rows)) <= 100
    for button in (button for row in rows for button in row):
        assert set(button) == {"text", "url"}
        assert 0 < len(button["text"]) <= 64
        check_link(button["url"])
    return content


def _shown(content: Any) -> str:
    if "parse_mode" not in content:
        return str(content["text"])
    assert content["parse_mode"] == "HTML"
    # "All <, > and & symbols that are not a part of a tag or an HTML entity must be replaced"; &lt; &gt; &amp; &quot;
    assert not re.search(r"&(?!(?:lt|gt|amp|quot|#x?[0-9a-f]+);)", content["text"])
    markup = _Markup()
    markup.feed(content["text"])
    markup.close()
    assert not markup.open
    return markup.text


def check_discord(body: bytes | str | Any) -> Any:
    """discord.com/developers/docs: "Execute Webhook", and "Embed Limits" of the Message resource."""
    content = read(body)
    assert set(content) <= {"content", "embeds", "allowed_mentions"}
    assert content["allowed_mentions"] == {"parse": []}
    assert 0 < utf16(content["content"]) <= 2000
    assert len(content.get("embeds", [])) <= 10
    total = 0
    for embed in content.get("embeds", []):
        assert set(embed) <= {"title", "description", "url", "color", "fields", "footer", "timestamp"}
        assert utf16(embed.get("title", "")) <= 256
        assert utf16(embed.get("description", "")) <= 4096
        assert utf16(embed.get("footer", {}).get("text", "")) <= 2048
        assert 0 <= embed["color"] <= 0xFFFFFF
        assert len(embed.get("fields", [])) <= 25
        for field in embed.get("fields", []):
            assert 0 < utf16(field["name"].strip()) <= 256
            assert 0 < utf16(field["value"].strip()) <= 1024
        check_instant(embed["timestamp"])
        told = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
        told += [text for field in embed.get("fields", []) for text in (field["name"], field["value"])]
        total += sum(map(utf16, told))
    assert total <= 6000
    return content


def check_mattermost(body: bytes | str | Any) -> Any:
    """docs.mattermost.com: "Incoming webhooks", "Message attachments"; mattermost/server, public/model/post.go.

    The figures are those of old servers: 4,000 characters for a post, 8,000 for its props, of which 400 are reserved.
    """
    content = read(body)
    assert set(content) <= {"text", "attachments", "props", "channel"}
    assert 0 < len(content["text"]) <= 4000
    props = {name: content[name] for name in ("attachments", "props") if name in content}
    assert len(json.dumps(props, ensure_ascii=False)) <= 7600
    assert len(content.get("attachments", [])) <= 1
    for attachment in content.get("attachments", []):
        assert set(attachment) <= {"fallback", "color", "text", "fields", "footer"}
        assert attachment["fallback"]
        assert re.fullmatch(r"#[0-9a-f]{6}", attachment["color"])
        for field in attachment.get("fields", []):
            assert set(field) == {"title", "value", "short"}
            assert isinstance(field["short"], bool)
    for text in all_texts({name: value for name, value in content.items() if name != "channel"}):
        assert not re.search(r"(?<![\w/])@\w", text)  # it would be a mention
    return content


def check_pagerduty(body: bytes | str | Any) -> Any:
    """developer.pagerduty.com, Events API v2: "Send an Alert Event", "Send a Change Event", "Size Limits"."""
    raw = body if isinstance(body, bytes) else json.dumps(read(body)).encode()
    assert len(raw) <= 512_000
    event = read(body)
    assert len(event["routing_key"]) == 32
    payload = event["payload"]
    assert 0 < len(payload["summary"]) <= 1024
    assert payload["source"]
    check_instant(payload["timestamp"])
    assert isinstance(payload["custom_details"], dict)
    for link in event.get("links", []):
        check_link(link["href"])
        assert link["text"]
    if "event_action" in event:
        assert event["event_action"] in ("trigger", "acknowledge", "resolve")
        assert 0 < len(event["dedup_key"].encode()) <= 255
        assert payload["severity"] in ("critical", "error", "warning", "info")
    else:
        assert set(event) <= {"routing_key", "payload", "links"}
        assert set(payload) <= {"summary", "source", "timestamp", "custom_details"}
    return event


def check_alertmanager(body: bytes | str | Any) -> Any:
    """prometheus/alertmanager, api/v2/openapi.yaml: postableAlerts."""
    alerts = read(body)
    assert isinstance(alerts, list)
    seen = set()
    for alert in alerts:
        assert set(alert) <= {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
        assert alert["labels"]["alertname"]
        for labels in (alert["labels"], alert.get("annotations", {})):
            assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name in labels)
            assert all(isinstance(value, str) and value for value in labels.values())
        for name in ("startsAt", "endsAt"):
            check_instant(alert[name])
        assert datetime.fromisoformat(alert["startsAt"]) <= datetime.fromisoformat(alert["endsAt"])
        if "generatorURL" in alert:
            check_link(alert["generatorURL"])
        identity = tuple(sorted(alert["labels"].items()))
        assert identity not in seen
        seen.add(identity)
    return alerts


def check_webhook(body: bytes | str | Any) -> Any:
    """Standard Webhooks 1.0.0, "Payload": below 20 kB, `type` in words with dots, `timestamp`, `data`."""
    raw = body if isinstance(body, bytes) else json.dumps(read(body)).encode()
    assert len(raw) < 20_000
    event = read(body)
    assert set(event) == {"type", "timestamp", "data"}
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", event["type"])
    check_instant(event["timestamp"])
    assert event["data"]["id"]
    return event
