"""Requests to one server that speaks OpenAI's protocol: time-outs, tries, and pauses where it fails again and again."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from math import isfinite
from ssl import SSLCertVerificationError
from time import monotonic
from typing import Any, TypeVar

import openai

from ...config import VlmOptions
from ...errors import ConfigError, ModelLoadError, VlmError
from .address import KEY, Address

MOST_BYTES, MOST_ERROR_BYTES = 4 << 20, 1 << 14
"""What is read of an answer, and of the reason for a refusal."""

FIRST_PAUSE_S = 0.5
"""Before the second try of a request; each later one is twice as long, all of them less up to a half by chance."""

FAILURES, BROKEN_S, MOST_BROKEN_S = 3, 1.0, 60.0
"""After so many failures in a row the server is left alone, so long at first and at most."""

OPTIONAL = ("logprobs", "max_tokens", "temperature", "skip_special_tokens")
"""What some servers refuse to be told, and are asked without; `max_tokens` has another name there."""

SENT = ("accept", "connection", "content-length", "content-type", "user-agent", "x-stainless-raw-response")
"""The library's headers that are sent, and the one that it reads itself: not what it tells of this machine, nor what
`OPENAI_CUSTOM_HEADERS` has for another server."""

LEAST_SECRET = 8
"""Characters of a key from which on it is taken out of answers, too: shorter ones are words, such as "none"."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Failure(VlmError):
    """A request that failed.

    Attributes:
        again: another try may succeed.
        pause_s: how long the server wants to be left alone.
        code: HTTP's, if the server refused.
    """

    def __init__(self, text: str, again: bool = False, pause_s: float = 0.0, code: int = 0) -> None:
        super().__init__(text)
        self.again, self.pause_s, self.code = again, pause_s, code

    @property
    def servers(self) -> bool:
        """Whether it is the server that failed, and not the request."""
        return self.again or not 400 <= self.code < 500


class Breaker:
    """After `FAILURES` in a row, requests fail at once for a while; then one is made, and decides."""

    def __init__(self) -> None:
        self._failures, self._pause_s, self._until, self._why = 0, 0.0, 0.0, ""

    @property
    def closed(self) -> bool:
        """Whether requests are made."""
        return self._failures < FAILURES

    def check(self, now: float) -> None:
        """Raises `Failure` as long as none is made."""
        if not self.closed and now < self._until:
            raise Failure(f"not asked, as the server fails again and again ({self._why})")

    def learn(self, failure: Failure | None, now: float, probe: bool) -> None:
        """What came of a request; `probe`: it was made though the breaker was open."""
        if failure is None:
            self._failures = 0
        elif failure.servers and (self.closed or probe):
            self._failures += 1
            self._pause_s = min(2 * self._pause_s, MOST_BROKEN_S) if probe else BROKEN_S
            self._until, self._why = now + self._pause_s, str(failure)


class Door(openai.DefaultAsyncHttpxClient):
    """The only way out: to one server, by no proxy and no redirect; and back, for whole answers of a bounded size."""

    def __init__(self, secret: str) -> None:
        super().__init__(follow_redirects=False, trust_env=False, timeout=None)  # the time-out is over all tries
        self._secret = secret
        self.origin: tuple[str, str, int | None] = "", "", None

    async def send(self, request: Any, **_: Any) -> Any:
        """As the library has it, but for headers.

        Raises:
            Failure: the server refuses, sends elsewhere, or answers with too much.
        """
        if (request.url.scheme, request.url.host, request.url.port) != self.origin:
            raise Failure("the request was to go to another host")
        own = {"host": request.url.netloc, "authorization": f"Bearer {self._secret or 'none'}"}
        sent = {name: value for name, value in request.headers.items() if name in SENT}
        request.headers = type(request.headers)({**own, "accept-encoding": "identity", **sent})
        response = await super().send(request, stream=True)
        try:
            code, headers = response.status_code, response.headers
            if code != 200:
                raise self._refusal(code, await _read(response, MOST_ERROR_BYTES), headers.get("retry-after", ""))
            if headers.get("content-encoding", "identity").lower() != "identity":
                raise Failure("expected an answer that is not compressed")
            body = await _read(response, MOST_BYTES + 1)
        finally:
            await response.aclose()
        if len(body) > MOST_BYTES:
            raise Failure(f"expected an answer of at most {MOST_BYTES >> 20} MB, got more")
        return type(response)(code, headers={"content-type": "application/json"}, content=body, request=request)

    def plain(self, text: str) -> str:
        """A server's words on one line, without the key."""
        text = text.replace(self._secret, "***") if self._secret else text
        return "".join(c if c.isprintable() else "?" for c in " ".join(text.split())[:200])

    def answer(self, body: bytes) -> Any:
        """What JSON says, without the key, however that is escaped there.

        Raises:
            Failure: it is none.
        """
        try:
            said = json.loads(body)
            if len(self._secret) >= LEAST_SECRET:
                said = json.loads(json.dumps(said).replace(json.dumps(self._secret)[1:-1], "***"))
        except (ValueError, RecursionError):
            start = self.plain(body[:MOST_ERROR_BYTES].decode(errors="replace"))[:80]
            raise Failure(f"expected JSON, got {start!r}") from None
        return said

    def _refusal(self, code: int, body: bytes, retry_after: str) -> Failure:
        if 300 <= code < 400:
            return Failure(f"the server sends to another address ({code}), which is not followed", code=code)
        if code in (401, 403):
            key = f"the key in {KEY} is refused" if self._secret else f"there is no key in {KEY}"
            return Failure(f"{key} ({code})", code=code)
        text = body.decode(errors="replace")
        with suppress(ValueError, RecursionError, AttributeError):
            said = json.loads(text)
            said = said.get("error", said.get("detail", said))
            text = said if isinstance(said, str) else str(said.get("message", text))
        again = code in (408, 429) or code >= 500
        return Failure(f"refused ({code}): {self.plain(text)}", again, _seconds(retry_after), code)


class Client:
    """One server, asked from any thread; the requests run in a thread of their own.

    Its key is in the requests' header and nowhere else.
    """

    def __init__(self, address: Address, options: VlmOptions) -> None:
        """Calls nothing yet.

        Raises:
            ConfigError: the environment's key, or the address, is none.
        """
        key = os.environ.get(KEY, "").strip()
        if not re.fullmatch(r"[!-~]*", key):
            raise ConfigError(f"{KEY}: expected letters, digits and signs of ASCII without blanks")
        self._address, self._options, self._door = address, options, Door(key)
        try:
            self._api = openai.AsyncOpenAI(
                base_url=address.url, api_key=key or "none", http_client=self._door, max_retries=0, timeout=None
            )
        except Exception as error:  # it has its own idea of addresses
            raise ConfigError(f"vlm.model: no address of a server, {address.url!r}: {error}") from None
        url = self._api.base_url
        self._door.origin = url.scheme, url.host, url.port
        self._slots, self._probing = asyncio.Semaphore(options.server_parallel), asyncio.Lock()
        self._breaker, self._without, self._told = Breaker(), frozenset[str](), False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="vlsam_server", daemon=True).start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin to do some work with the server."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Ends all requests."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def check(self) -> None:
        """Asks which models there are; a server that has no list is taken at its word.

        Raises:
            ModelLoadError: the server can't be reached in time, refuses, or has other models only.
        """
        fetch = partial(self._fetch, self._names)
        try:
            names = self.start(self._timed(partial(self._tried, fetch))).result()
        except Failure as failure:
            if failure.code in (404, 405, 501):
                return
            raise ModelLoadError(f"no model at {self._address.url}: {failure}") from None
        if names and self._address.model not in names:
            there = ", ".join(repr(self._door.plain(name)) for name in names[:16])
            raise ModelLoadError(f"no model {self._address.model!r} at {self._address.url}; there are {there}")

    async def _names(self) -> list[str]:
        return [str(model.id) for model in (await self._api.models.list()).data]

    async def write(self, content: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Any:
        """What the server writes to a message: its answer, from JSON.

        Raises:
            Failure: it didn't within the time-out and its tries, or was not asked.
        """
        request = partial(self._timed, partial(self._allowed, [{"role": "user", "content": content}], settings))
        async with self._slots:
            if self._breaker.closed:
                return await self._judged(request)
            async with self._probing:  # one asks, the others wait for what comes of it
                self._breaker.check(monotonic())
                if not self._breaker.closed:
                    return await self._judged(request, probe=True)
            return await self._judged(request)

    async def _judged(self, request: Callable[[], Awaitable[Any]], probe: bool = False) -> Any:
        try:
            answer = await request()
        except Failure as failure:
            self._breaker.learn(failure, monotonic(), probe)
            raise
        self._breaker.learn(None, monotonic(), probe)
        return answer

    async def _timed(self, request: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """All tries of a request, which end with the time-out whatever the server does."""
        try:
            return await asyncio.wait_for(request(), self._options.server_timeout_s)
        except asyncio.TimeoutError:
            raise Failure(f"no answer within {self._options.server_timeout_s:g} s", again=True) from None

    async def _tried(self, request: Callable[[], Awaitable[T]]) -> T:
        end, tries = monotonic() + self._options.server_timeout_s, 0
        while True:
            try:
                return await request()
            except Failure as failure:
                pause_s = max(failure.pause_s, FIRST_PAUSE_S * 2**tries * random.uniform(0.5, 1.0))
                tries += 1
                if not failure.again or tries > self._options.server_retries or monotonic() + pause_s > end:
                    raise
            await asyncio.sleep(pause_s)

    async def _allowed(self, messages: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Any:
        """An answer, asked for without what the server refuses to be told."""
        without, create = self._without, self._api.chat.completions.with_raw_response.create
        while True:
            told = {name: value for name, value in settings.items() if name not in without}
            if "max_tokens" in without:
                told["max_completion_tokens"] = settings["max_tokens"]
            ask = partial(create, messages=messages, model=self._address.model, extra_body=told)
            try:
                answer = await self._tried(partial(self._fetch, ask))
                break
            except Failure as failure:
                if not (refused := self._refused(failure, told)):
                    raise
                without |= {refused}
        if new := without - self._without:
            _log.warning("%s refuses %s, and is asked without", self._address.url, ", ".join(sorted(new)))
        self._without, self._told = self._without | without, True
        return self._door.answer(answer.content)

    def _refused(self, failure: Failure, told: Mapping[str, Any]) -> str:
        """Which of the settings a server that refuses does not want; empty if none."""
        if failure.code not in (400, 422):
            return ""
        named = [name for name in OPTIONAL if name in told and name in str(failure)]
        untried = ["logprobs"] if "logprobs" in told and not self._told else []
        return next(iter([*named, *untried]), "")

    async def _fetch(self, request: Callable[[], Awaitable[T]]) -> T:
        """One request, once."""
        try:
            return await request()
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, Failure):
                raise cause from None
            if why := _distrusted(error):
                raise Failure(f"this machine's store of certificates does not trust the server's ({why})") from None
            raise Failure(f"no answer ({self._door.plain(str(cause) or type(cause).__name__)})", again=True) from None
        except VlmError:
            raise
        except Exception as error:  # the library takes it that the server follows the protocol
            raise Failure(f"expected OpenAI's protocol, {self._door.plain(str(error))}") from None

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._api.close()


def _distrusted(error: BaseException | None) -> str:
    """Why a server's certificate is not trusted; empty if that is not what went wrong."""
    while error is not None:
        if isinstance(error, SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""


async def _read(response: Any, most: int) -> bytes:
    """At most so many bytes of what comes."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= most:
            break
    return bytes(body[:most])


def _seconds(retry_after: str) -> float:
    """Of a header that gives seconds or a date; 0 if it gives neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds()
        except (TypeError, ValueError):
            return 0.0
    return max(0.0, seconds) if isfinite(seconds) else 0.0
