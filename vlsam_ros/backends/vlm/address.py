"""What `vlm.model` says of a model on a server; light, for the node's own process."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

from ...embedded import VLMS
from ...errors import ConfigError

SCHEME = "openai:"
"""What `vlm.model` begins with, if it is on a server."""

KEY = "OPENAI_API_KEY"
"""The environment's variable with the server's key, if it wants one."""


@dataclass(frozen=True)
class Address:
    """Of a server, up to the version of its protocol, and the model there."""

    url: str
    model: str


def parsed(option: str) -> Address:
    """What `vlm.model` says of a server.

    Raises:
        ConfigError: it is no ``openai:http://host:8000/v1#model``, or holds a password, which is not repeated.
    """
    url, _, model = option.partition(":")[2].partition("#")
    if not (_is_url(url) and 0 < len(model) <= 256 and model.isprintable() and model == model.strip()):
        got = "one that may hold a password or a key" if set("@?") & set(option) else repr(option)
        raise ConfigError(
            "vlm.model: expected 'openai:http://host:8000/v1#model' (http or https, without user and password, a path, "
            f"no query, the model's name there; a key comes from {KEY}), got {got}"
        )
    return Address(url.rstrip("/"), model)


def name_of(option: str) -> str:
    """The model of `vlm.model`, on a server without the address; "" if there is none."""
    with suppress(ConfigError):
        return parsed(option).model if option.startswith(SCHEME) else option
    return ""


def embedded_of(model: str) -> str:
    """Which of the embedded VLMs a model is, by its name or folder; "" for any other."""
    parts = PurePath(model).parts
    return next((n for n, folder in VLMS.items() if model == n or parts[-3:] == ("embedded", "weights", folder)), "")


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname and parts.path.strip("/")) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False
    return (
        whole and parts.scheme in ("http", "https") and bool(re.fullmatch(r"[!-~]+", url)) and not set("@?") & set(url)
    )
