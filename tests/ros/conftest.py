"""What the tests of the node share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ros_client import Client


@pytest.fixture(scope="module", autouse=True)
def _nothing_left() -> Iterator[None]:
    """A detector that a failed test left must not answer the next module's questions."""
    yield
    if "ros_client" in sys.modules:
        from ros_client import STARTED

        while STARTED:
            STARTED.pop().kill()  # nothing where it has ended


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A client of the detector; most tests of one file share it, and the detector."""
    from ros_client import Client

    result = Client()
    yield result
    result.close()
