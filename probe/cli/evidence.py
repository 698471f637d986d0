"""What a failing run saw, in the terminal: `probe check --evidence`. Everything in it is harmless to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from checks.core.evidence import Evidence
from probe.cli.colours import harmless
from probe.web.evidence import shown


def render(evidence: Evidence, now_ms: int) -> RenderableType:
    """Evidence in parts, each under its name."""
    return Group(*_parts(shown(evidence, now_ms=now_ms)))


def _parts(seen: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield from _pairs("Addresses", [(one["address"], one["outcome"]) for one in seen["addresses"]])
    way = [("reached", seen["peer"]), ("from", seen["local"]), ("TLS", seen["tls"])]
    yield from _pairs("Way", [pair for pair in way if pair[1]])
    hops = [(f"{hop['status'] or '-'}", f"{hop['request']} led to {hop['location']}") for hop in seen["hops"]]
    yield from _pairs("Redirects", hops)
    yield from _lines("Request", seen["request"])
    yield from _sample("Sent", seen["sent"])
    yield from _lines("Answer", seen["answer"])
    yield from _sample("Body" if seen["answer"] else "Received", seen["received"])
    for number, one in enumerate(seen["certificates"]):
        pairs = [(key, one[key]) for key in ("subject", "issuer", "fingerprint")]
        yield from _pairs(f"Certificate {number}: {one['stands']}", [*pairs, ("for", ", ".join(one["names"]))])
    yield from _lines("To see it again", [seen["again"]] if seen["again"] else [])


def _pairs(name: str, pairs: Sequence[tuple[str, str]]) -> Iterator[RenderableType]:
    if not pairs:
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in pairs:
        table.add_row(Text(f"  {harmless(key)}", style="dim"), Text(harmless(value)))
    yield from (_title(name), table)


def _lines(name: str, lines: Sequence[str]) -> Iterator[RenderableType]:
    """Lines are not broken: what is copied must be what was there."""
    if lines:
        yield _title(name)
        yield from (Text(f"  {line}", no_wrap=True, overflow="ignore") for line in lines)


def _sample(name: str, sample: Mapping[str, Any] | None) -> Iterator[RenderableType]:
    if sample is None:
        return
    parts = [f"{sample['size']} bytes", harmless(sample["type"]), "the beginning" if sample["cut"] else ""]
    content = f"not shown: {sample['content']}" if sample["form"] == "hidden" else sample["content"]
    yield from _lines(f"{name} ({', '.join(filter(None, parts))})", sample["dump"] or content.split("\n"))


def _title(name: str) -> Text:
    return Text(f"\n{harmless(name)}", style="bold")
