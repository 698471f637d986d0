"""Running one check as the engine does: a deadline, a trace, an exception made a Failure."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from checks.core.base import Check
from checks.core.classify import classify
from checks.core.net import Net
from checks.core.result import Failure, Trace
from tests.servers import Authority


@dataclass
class Outcome:
    """What a run left: its trace, and its failure if it had one."""

    trace: Trace
    failure: Failure | None

    @property
    def facts(self):
        return self.trace.facts

    @property
    def phases(self):
        return self.trace.phases

    @property
    def kind(self):
        return self.failure.kind if self.failure else None

    @property
    def phase(self):
        """The phase that failed."""
        return self.failure.phase if self.failure else ""

    @property
    def message(self):
        return self.failure.message if self.failure else ""


async def outcome(check: Check, net: Net, *, limit: float = 5.0) -> Outcome:
    trace = Trace()
    try:
        async with asyncio.timeout(limit):
            await check.run(trace, net)
    except Exception as error:  # noqa: BLE001 - as the engine does
        failure = classify(error, trace)
        assert "bug:" not in failure.message, failure.message
        return Outcome(trace, failure)
    return Outcome(trace, None)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    net = Net()
    yield net
    await net.close()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
