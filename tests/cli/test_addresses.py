"""What lets somebody in and stands in an address is not on a terminal, right or wrong as it may be."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from probe.cli.main import main


def said(*words: str) -> str:
    return CliRunner().invoke(main, words).output


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/?token=pl4nted",
        "http://ann:pl4nted@127.0.0.1:9/",
        "ann:pl4nted@127.0.0.1:9",
        "ftp://ann:pl4nted@127.0.0.1:9/",
        "http://127.0.0.1:9/a b?token=pl4nted",
    ],
)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_an_address_on_the_command_line_is_shown_without_what_lets_in(address: str, more: list[str]) -> None:
    assert "pl4nted" not in said("check", address, "--evidence", *more)


@pytest.mark.parametrize(
    "url",
    [
        "ann:pl4nted@x.example/",
        "ftp://ann:pl4nted@x.example/",
        "http://x.example:0/?token=pl4nted",
        "x.example/?key=pl4nted",
    ],
)
def test_a_mistake_in_a_url_is_told_without_what_lets_in(tmp_path: Path, url: str) -> None:
    path = tmp_path / "probe.yml"
    path.write_text(f"checks: {{a: {{http: {{url: '{url}'}}}}}}")
    told = said("validate", str(path))
    assert "checks.a.http.url" in told
    assert "pl4nted" not in told
