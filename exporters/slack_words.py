"""What Slack's errors mean, by their words.

Source: docs.slack.dev, errors of chat.postMessage and chat.update, and "Sending messages using incoming webhooks".
"""

from __future__ import annotations

from collections.abc import Iterable

from exporters.api import dead, short
from exporters.base import NotifyError, Trouble

# The app is not let in any more, or not with this token.
NO_ENTRY = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
# There is nobody there any more, or nobody who may be written to.
NO_CHANNEL = frozenset(
    {
        "cannot_dm_bot",
        "channel_is_archived",
        "channel_not_found",
        "is_archived",
        "is_inactive",
        "messages_tab_disabled",
        "not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "team_not_found",
        "user_disabled",
        "user_is_restricted",
        "user_not_found",
    }
)
DEAD_HOOK = frozenset(
    {
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "posting_to_general_channel_denied",
        "team_disabled",
        "user_not_found",
    }
)
LATER = frozenset(
    {
        "external_channel_migrating",
        "fatal_error",
        "internal_error",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
        "update_failed",
    }
)
# Something simpler may be taken.
FORM = frozenset(
    {
        "block_mismatch",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_blocks_too_long",
        "msg_too_long",
    }
)
# The message that an incident was told in is not there any more, or cannot be changed any more.
STALE = NO_CHANNEL | {
    "cannot_reply_to_message",
    "cant_update_message",
    "edit_window_closed",
    "invalid_ts",
    "message_not_found",
    "thread_not_found",
}
_REMEDIES = {
    "missing_scope": "give the app the scope chat:write, and install it again",
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "if it is a private channel, invite the app to it",
}


def refusal(word: str, receiver: str, hidden: Iterable[str]) -> NotifyError:
    """The error that Slack's word is, with its remedy where there is one."""
    remedy = f": {_REMEDIES[word]}" if word in _REMEDIES else ""
    if word in NO_ENTRY or word in NO_CHANNEL:
        return dead(receiver, f"{word}{remedy}", hidden, Trouble.AUTH if word in NO_ENTRY else Trouble.GONE)
    kind = Trouble.RATE if "limited" in word else Trouble.SERVER if word in LATER else Trouble.REFUSED
    return NotifyError(f"{receiver}: {short(word, hidden)}", permanent=word not in LATER, kind=kind)
