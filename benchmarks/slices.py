"""Where the processor time of a run goes: the engine by itself, by how often it looks at its sockets, and a profile.

    python benchmarks/slices.py [--short] [--rate 500] [--rounds 3] [--seconds 8]

No store, no judging, no process between: results are counted and dropped. The profile is of this process, sampled by
the processor time that it uses.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from benchmarks.engine_alone import at_work, spelled
from benchmarks.native import target
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Table, middle, progress
from probe.engine.engine import slice_for

_SLICES = (0.0, 0.005, 0.01, 0.02, 0.04)  # s
_WARM = 2.0  # s
_SAMPLE = 0.001  # s of processor time between two looks; the kernel's tick may be longer


class Sampler:
    """Counts in which function the processor time passes: looked at when some of it has."""

    def __init__(self) -> None:
        self.functions: Counter[str] = Counter()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _SAMPLE, _SAMPLE)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            code = frame.f_code
            self.functions[f"{Path(code.co_filename).name}: {code.co_qualname}"] += 1


async def cost(url: str, rate: int, slice_: float, seconds: float, sampler: Sampler | None = None) -> float:
    """CPU-ms per run of a fresh engine."""
    done = 0

    def count(_result: object) -> None:
        nonlocal done
        done += 1

    async with at_work(url, rate, count, slice_=slice_):
        await asyncio.sleep(_WARM)
        done, began = 0, time.process_time()
        if sampler is not None:
            sampler.start()
        await asyncio.sleep(seconds)
        if sampler is not None:
            sampler.stop()
        spent, ended = time.process_time() - began, done
    if not ended:
        raise MeasurementError("no run ended")
    return spent / ended * 1000


def profile(sampler: Sampler, rate: int, slice_: float) -> Table:
    total = sampler.functions.total() or 1
    rows = [[name, f"{count / total:.1%}"] for name, count in sampler.functions.most_common(16)]
    title = f"Where the time goes, {rate} runs/s, looks {spelled(slice_)}"
    return Table(
        title, ["function", "share"], rows, [f"{total} samples; a function that calls the system is charged for it"]
    )


def measure(rate: int, rounds: int, seconds: float) -> Sequence[Table]:
    costs: dict[float, list[float]] = {slice_: [] for slice_ in _SLICES}
    sampler, usual = Sampler(), slice_for(rate)
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as folder, target(Path(folder), 0) as site:
        for round_ in range(rounds):
            for slice_, seen in costs.items():
                seen.append(asyncio.run(cost(site.url(), rate, slice_, seconds)))
                progress(f"round {round_ + 1}: looks {spelled(slice_)}, {seen[-1]:.3f} ms a run")
        asyncio.run(cost(site.url(), rate, usual, 2 * seconds, sampler))
    rows = [[spelled(slice_), middle(seen, 3)] for slice_, seen in costs.items()]
    notes = [f"medians (lowest-highest) of {rounds} interleaved rounds of {seconds:g} s each"]
    table = Table(
        f"The engine by itself, {rate} plain-HTTP runs/s", ["looks at its sockets", "CPU-ms per run"], rows, notes
    )
    return table, profile(sampler, rate, usual)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round of 2 s each")
    parser.add_argument("--rate", type=int, default=500, help="runs/s (500)")
    parser.add_argument("--rounds", type=int, help="rounds, each with every length in turn (3)")
    parser.add_argument("--seconds", type=float, help="length of a window (8)")
    options = parser.parse_args()
    end_on_sigterm()
    rounds = options.rounds or (1 if options.short else 3)
    seconds = options.seconds or (2.0 if options.short else 8.0)
    print("\n\n".join(table.markdown() for table in measure(options.rate, rounds, seconds)))


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
