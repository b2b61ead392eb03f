"""What the tests of the node share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ros_client import Client


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A client of the detector; most tests of one file share it, and the detector."""
    from ros_client import Client

    result = Client()
    yield result
    result.close()
