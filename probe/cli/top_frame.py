"""One picture of `probe top`: how the service keeps up, each of its processes, and the checks to look at first."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from checks.core.units import format_duration
from probe.cli.colours import COLOUR, PLATE, counted, fitted, harmless
from probe.cli.top_model import Instant, Line, Pace, Queue, Sample, Window, together
from probe.cli.top_processes import FULL, LAG, LATE, rows
from probe.cli.top_words import BAD, WARN, graded, line, many, per_second, percentile, plain, shortened, size
from probe.web.order import WORST_FIRST
from probe.web.when import age
from thresholds.base import Level

_LEVEL, _FOR = 9, 8
_TROUBLES = 3  # lines about what is wrong with Probe itself
_OWED = (60.0, 300.0)  # s that a notice waits
_WRITE = (1.0, 5.0)  # s that a batch takes
_QUEUE = (10_000, 50_000)  # items: the store's has room for 100,000
_LEVELS = {level.name.lower(): level for level in Level}


def render(
    window: Window | None, source: str, width: int, height: int, *, silence: str = "", hint: str = ""
) -> RenderableType:
    """The picture in `width` x `height` cells, without a window that of a service that has never answered.

    `silence` says since when there is no answer, and why; `hint` what the reader can do.
    """
    lines = [_silence(silence, width)] if silence else []
    if window is not None:
        lines = [_title(window.now), *lines, *_troubles(window.now, width), *_summary(window, width)]
        lines += _processes(window, width, most=max(3, height // 3))
        lines += _checks(window.now, width, height - len(lines) - 1)
        if silence:  # all of this is old
            for one in (*lines[:1], *lines[2:]):
                one.stylize("dim")
    footer = plain(" · ".join(filter(None, (hint, source))), "dim")
    lines = [*lines[: max(0, height - 1)], footer]
    for one in lines:
        one.no_wrap, one.overflow = True, "crop"
        one.truncate(width)
    return Group(*lines)


def _silence(words: str, width: int) -> Text:
    return Text(fitted(words, width).rstrip(), style=BAD)


def _title(now: Sample) -> Text:
    title = Text.assemble(("Probe ", "dim"), plain(now.instance, "bold"), "  ")
    title.append_text(counted({level: now.counts.get(level.name.lower(), 0) for level in WORST_FIRST}))
    up = f"  up {_ago(now, now.started)}" if now.started else ""
    return title.append(f"{up}  {plain(now.version)}", style="dim")


def _ago(now: Sample, instant: Instant | None) -> str:
    return age((now.at - instant).total_seconds()) if instant else "—"


def _troubles(now: Sample, width: int) -> list[Text]:
    """What the service says is wrong with itself."""
    said = [(f"{one.name} {one.level.upper()} for {_ago(now, one.since)}: {one.reason}", BAD) for one in now.ourselves]
    if now.trouble:
        said.insert(0, (f"not ready: {now.trouble}", WARN))
    return [Text(fitted(words, width).rstrip(), style=style) for words, style in said[:_TROUBLES]]


def _summary(window: Window, width: int) -> list[Text]:
    now, all_ = window.now, together(list(window.paces().values()))
    return [
        line("runs", _runs(now, all_), width),
        line("late", _lateness(now, all_), width),
        line("store", _store(window), width),
        line("alerts", _alerts(now), width),
        Text(),
    ]


def _runs(now: Sample, all_: Pace) -> list[Text]:
    missed = sum(one.missed for one in now.processes)
    running, seats = sum(one.in_flight for one in now.processes), sum(one.seats for one in now.processes if one.checks)
    pieces = [
        Text(f"{per_second(all_.runs)}/s", style="bold"),
        Text(f"{running:,} of {seats:,} under way", style=_style(running / seats if seats else 0.0, FULL)),
        Text(f"{all_.missed:,} missed lately, {missed:,} in all", style=BAD if all_.missed else WARN if missed else ""),
    ]
    dropped = sum(sum(one.dropped.values()) for one in now.processes)
    if dropped:
        pieces.append(Text(f"{many(dropped, 'result')} dropped", style=BAD if all_.dropped else WARN))
    if all_.cpu is not None:
        pieces.append(Text(f"{all_.cpu:.0%} of a core"))
    return [*pieces, Text(size(sum(one.rss for one in now.processes)))]


def _style(value: float, limits: tuple[float, float]) -> str:
    return str(graded("", value, *limits).style)


def _lateness(now: Sample, all_: Pace) -> list[Text]:
    worst = max((one.lag for one in now.processes), default=0.0)
    names = sum(one.lookups for one in now.processes)
    return [
        percentile(all_.late, 0.5, LATE, "p50 "),
        percentile(all_.late, 0.99, LATE, "p99 "),
        percentile(all_.lag, 0.99, LAG, "loop lag p99 "),
        graded(f"worst now {format_duration(worst)}", worst, *LAG),
        graded(f"{many(names, 'name')} to resolve", names, 100, 1000),
    ]


def _store(window: Window) -> list[Text]:
    now = window.now
    rate, write = window.writes()
    pieces = [_queue(queue, window.lost(queue)) for queue in now.queues]
    pieces += [Text(f"{per_second(rate)} writes/s"), percentile(write, 0.99, _WRITE, "p99 ")]
    if now.store.failures:
        style = BAD if window.store_failures() else WARN
        pieces.append(Text(f"{many(now.store.failures, 'write')} failed", style=style))
    return [*pieces, Text(size(now.store.size))]


def _queue(queue: Queue, lost: int) -> Text:
    words = f"{'' if queue.name == 'store' else f'{queue.name} '}queue {queue.length:,}"
    if queue.dropped:
        words += f", {queue.dropped:,} dropped"
    return plain(words, BAD if lost else _style(queue.length, _QUEUE) or (WARN if queue.dropped else ""))


def _alerts(now: Sample) -> list[Text]:
    pieces = [Text(f"{many(now.incidents, 'incident')} open")]
    owed = [one for one in now.receivers if one.pending]
    oldest = min((one.oldest for one in owed if one.oldest), default=None)
    waits = (now.at - oldest).total_seconds() if oldest else 0.0
    if owed:
        names = ", ".join(one.name for one in owed)
        text = f"{sum(one.pending for one in owed):,} pending for {age(waits)}: {names}"
        pieces.append(plain(text, _style(waits, _OWED)))
    else:
        pieces.append(Text("0 pending"))
    pieces.append(Text(f"{sum(one.sent for one in now.receivers):,} sent"))
    failed = sum(one.failed for one in now.receivers)
    return [*pieces, Text(f"{many(failed, 'attempt')} failed", style=WARN)] if failed else pieces


def _processes(window: Window, width: int, most: int) -> list[Text]:
    now = window.now
    return rows(now.processes, window.paces(), lambda one: (now.at - one.at).total_seconds(), width, most)


def _checks(now: Sample, width: int, room: int) -> list[Text]:
    """Failing checks first; at least half of the room for the slowest where both have more than fits."""
    if room < 4:
        return []
    room -= 3
    failing = now.failing[: max(room - len(now.slowest), (room + 1) // 2)]
    slowest = now.slowest[: room - len(failing)]
    bad = sum(count for level, count in now.counts.items() if level != "up")
    title = f"FAILING {len(failing)} of {bad:,}" if len(failing) < bad else "FAILING"
    lines = [Text(), Text(title if failing else "FAILING none", style="dim")]
    longest = max((cell_len(harmless(one.name)) for one in (*failing, *slowest)), default=0)
    name = min(longest, (width - _LEVEL - _FOR) * 45 // 100)  # the reason or the target has the rest
    lines += [_failing(now, one, width, name) for one in failing]
    lines.append(Text("SLOWEST", style="dim"))
    return lines + [_slow(one, width, name) for one in slowest]


def _failing(now: Sample, one: Line, width: int, name: int) -> Text:
    level = _LEVELS.get(one.level, Level.UNKNOWN)
    row = Text.assemble((f" {level.name}".ljust(_LEVEL), PLATE[level]))
    row.append(f" {shortened(one.name, name)} {_ago(now, one.since):<{_FOR}} ")
    return row.append(fitted(one.reason, width - row.cell_len).rstrip(), style=COLOUR[level])


def _slow(one: Line, width: int, name: int) -> Text:
    latency = "—" if one.duration is None else format_duration(one.duration)
    row = Text(f"{latency:>{_LEVEL}} {shortened(one.name, name)} ")
    return row.append(fitted(one.target, width - row.cell_len).rstrip(), style="dim")
