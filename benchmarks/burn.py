"""How often burn-rate alerts page for a service that just meets its objective, and how late they page in an outage.

    python benchmarks/burn.py [--short] [--seed N]

Runs that fail by chance, each by itself, as often as the budget allows: nothing is wrong, so every page is a false one.
Months are simulated, and judged by the functions that judge live results. A page is counted when one of the two pairs
that page (1 h and 5 min, 6 h and 30 min) begins to fire while neither did.

Columns: the rule as it is published; the same with at least 2 bad slices in each window; with 3 in the long one and 2
in the short one. For runs that are far apart, a last column with the windows raised as they are in use: short to 3
intervals and long to 12 of them, without which 5 minutes never hold two runs of every 5 minutes.

Detection: slices from the beginning of a total outage to the page.

Figures of a simulation that was made beforehand, pages per 30 days, textbook, min 2, and 3 and 2:
99.9 % 60 s 43.3 0.5 0.4; 99.9 % 30 s 9.3 0.7 0.1; 99.95 % 60 s 21.4 0.3 0.0; 99.5 % 300 s 42.6 0.3 0.3;
99.0 % 300 s 9.8 0.1 0.1. They are goals here: ours are to agree within what chance allows.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Iterator, Sequence

from benchmarks.report import Goal, Table, show
from thresholds.burn import BurnRule, Severity, burning, firing, rules_for
from thresholds.ledger import Covered, TimeLedger
from thresholds.slo import DAY, Objective, Period
from thresholds.spans import Span, union

MONTH = Period(rolling=30 * DAY)
LEAST = ((1, 1), (2, 2), (3, 2))  # bad slices in the long and the short window
NAMES = ("textbook", "+ min 2 in each", "+ 3 in long, 2 in short")
EXPECTED = {  # (target, seconds between runs): pages per 30 days, for each of LEAST
    (0.999, 60): (43.3, 0.5, 0.4),
    (0.999, 30): (9.3, 0.7, 0.1),
    (0.9995, 60): (21.4, 0.3, 0.0),
    (0.995, 300): (42.6, 0.3, 0.3),
    (0.99, 300): (9.8, 0.1, 0.1),
}


def failures(chance: random.Random, share: float, slices: int) -> Iterator[int]:
    """Which of so many runs fail."""
    at = -1
    while True:
        at += 1 + int(math.log(1 - chance.random()) / math.log(1 - share))
        if at >= slices:
            return
        yield at


def paging(rules: Sequence[BurnRule]) -> list[BurnRule]:
    return [rule for rule in rules if rule.severity is Severity.PAGE]


def objective(target: float, least: tuple[int, int]) -> Objective:
    return Objective("simulated", target, MONTH, min_bad_long=least[0], min_bad_short=least[1])


def ledger(bad: Sequence[Span], every: int) -> TimeLedger:
    return TimeLedger(every, Covered([(-(10**12), 10**12)]), Covered(union(bad)))


def pages(target: float, every: int, least: tuple[int, int], rules: Sequence[BurnRule], bad: Sequence[Span]) -> int:
    """How often it begins to page. That can only be with a bad slice; all other slices only take from the windows."""
    promised, kept = objective(target, least), ledger(bad, every)

    def lit(now_ms: int) -> bool:
        return firing(burning(promised, rules, kept, now_ms)) is not None

    return sum(1 for start, end in bad if lit(end) and not lit(start))


def simulated(target: float, every: int, months: int, seed: int) -> list[list[int]]:
    """Pages of each month: by the three rules, and by ours with its windows raised."""
    chance = random.Random(f"{seed} {target} {every}")
    textbook, raised = paging(rules_for(MONTH.seconds)), paging(rules_for(MONTH.seconds, every))
    seen: list[list[int]] = [[], [], [], []]
    for _ in range(months):
        spans = [
            (at * every * 1000, (at + 1) * every * 1000)
            for at in failures(chance, 1 - target, round(MONTH.seconds / every))
        ]
        for counts, least, rules in zip(seen, (*LEAST, LEAST[-1]), (*[textbook] * 3, raised), strict=True):
            counts.append(pages(target, every, least, rules, spans))
    return seen


def detected(target: float, every: int, least: tuple[int, int]) -> int:
    """Seconds from the beginning of a total outage to the page, at the end of the slice that brings it."""
    promised, kept, rules = objective(target, least), ledger([(0, 10**12)], every), rules_for(MONTH.seconds, every)
    slices = 1
    while firing(burning(promised, paging(rules), kept, slices * every * 1000)) is None:
        slices += 1
    return slices * every


def agrees(counts: Sequence[int], expected: float) -> bool:
    """Whether a mean is the expected one but for chance: 4 standard errors, and how the expected figure is rounded.

    How many months that one is of is not known: for its own chance it has a tenth, of itself or of a page.
    """
    error = math.sqrt(max(statistics.variance(counts), expected, 0.05) / len(counts))
    return abs(statistics.fmean(counts) - expected) <= 4 * error + 0.05 + 0.1 * max(expected, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="a hundred months instead of a thousand")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    months = 100 if options.short else 1000
    rows, goals = [], []
    for (target, every), expected in EXPECTED.items():
        seen = simulated(target, every, months, options.seed)
        name = f"{target * 100:g} %, {every} s"
        rows.append([name, *(f"{statistics.fmean(counts):.2f}" for counts in seen)])
        for column, counts, wanted in zip(NAMES, seen, expected, strict=False):
            mean = f"{statistics.fmean(counts):.2f}"
            goals.append(Goal(f"false pages per 30 d, {name}, {column}", f"{wanted}", mean, agrees(counts, wanted)))
    late = [
        [f"{target * 100:g} %, {every} s", *(f"{detected(target, every, least)} s" for least in LEAST)]
        for target, every in EXPECTED
    ]
    note = f"{months} months of each, seed {options.seed}"
    show(
        [
            Table("False pages per 30 days", ["objective, interval", *NAMES, "the last, windows raised"], rows, [note]),
            Table("A total outage pages after", ["objective, interval", *NAMES], late, ["windows raised"]),
        ],
        goals,
    )


if __name__ == "__main__":
    main()
