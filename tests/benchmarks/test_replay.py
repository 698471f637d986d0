"""The benchmark of replays simulates, stores and replays what it says."""

from pathlib import Path

from benchmarks import replay


async def test_a_simulated_history_is_replayed_whole(tmp_path: Path) -> None:
    stored = await replay.prepare(tmp_path, ["shop/one", "shop/two", "shop/three"], 60, 0.5, 2)
    assert stored == 3 * 720
    seen = replay.measure(tmp_path, 0.5, "--html", "report.html", "--old", "old.yml")
    assert seen.runs == stored
    assert seen.memory > 10
    assert (tmp_path / "report.html").is_file()
    assert replay.tuned(tmp_path, 0.5, "shop/one").runs == 720
