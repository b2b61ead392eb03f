"""Servers on loopback that speak OpenAI's protocol: transformers' own with the embedded VLM, and one that fails.

As a program, ``served.py <port>``, it is the first of them.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlsam_ros.embedded import vlm_path

Script = Callable[["Handler"], None]
"""What happens to one request."""


def says(text: str | None, ended: str = "stop", logprobs: Any = None, **message: Any) -> Script:
    """An answer as it should be."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": ended}
    return sends({"choices": [choice | ({"logprobs": logprobs} if logprobs else {})]})


def sends(body: Any, code: int = 200, **headers: str) -> Script:
    """A whole body, bytes or JSON, with more headers."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def script(handler: Handler) -> None:
        handler.begin(code, **{"Content-Length": str(len(data))} | {k.replace("_", "-"): v for k, v in headers.items()})
        handler.wfile.write(data)

    return script


def refuses(code: int, said: str = "", **headers: str) -> Script:
    return sends({"error": {"message": said}}, code, **headers)


def lists(*models: str) -> Script:
    return sends({"object": "list", "data": [{"id": model, "object": "model"} for model in models]})


def waits(seconds: float, then: Script) -> Script:
    def script(handler: Handler) -> None:
        time.sleep(seconds)
        then(handler)

    return script


def drips(chunk: bytes = b" ", pause_s: float = 0.02, code: int = 200) -> Script:
    """A body without an end."""

    def script(handler: Handler) -> None:
        handler.begin(code, **{"Content-Type": "text/event-stream"})
        while True:  # until nobody reads
            handler.wfile.write(chunk)
            time.sleep(pause_s)

    return script


def breaks_off(sent: bytes = b'{"choices": [{"mess', promised: int = 1000) -> Script:
    """The connection ends in the middle of the body."""

    def script(handler: Handler) -> None:
        handler.begin(200, **{"Content-Length": str(promised)})
        handler.wfile.write(sent)

    return script


def dies(handler: Handler) -> None:
    """The connection ends before anything is said."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


class Handler(BaseHTTPRequestHandler):
    server: Server
    body: Any = None

    def begin(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        self._run(self.server.listing)

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            script = self.server.scripts.popleft() if self.server.scripts else self.server.default
        self._run(script)

    def _run(self, script: Script) -> None:
        with self.server.lock:
            self.server.requests.append(self)
            self.server.busy += 1
            self.server.most_busy = max(self.server.most_busy, self.server.busy)
        try:
            script(self)
        except OSError:
            self.server.left += 1
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def question(self) -> str:
        return self.body["messages"][0]["content"][1]["text"]

    @property
    def picture(self) -> np.ndarray:
        """RGB uint8 (H, W, 3)."""
        url = self.body["messages"][0]["content"][0]["image_url"]["url"]
        data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


class Server(ThreadingHTTPServer):
    """Answers with the next script, or as usual.

    Attributes:
        requests: all that came, in order.
        left: how many connections the other side has given up.
    """

    daemon_threads, request_queue_size = True, 64

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Handler] = []
        self.scripts: deque[Script] = deque()
        self.default, self.listing = says("red box"), lists("tiny")
        self.lock, self.busy, self.most_busy, self.left = threading.Lock(), 0, 0, 0
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def model(self) -> str:
        """For the option `vlm.model`."""
        return f"openai:{self.url}#tiny"

    @property
    def asked(self) -> list[Handler]:
        """The requests for an answer."""
        return [request for request in self.requests if request.command == "POST"]

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def running(port: int = 0) -> Iterator[Server]:
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def transformers_serve(cache: Path) -> Iterator[str]:
    """The address of a real server with the embedded VLM, for `vlm.model`; an empty cache of models makes no list."""
    port = free_port()
    (cache / "hub").mkdir()
    environment = os.environ | {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = (cache / "log").open("wb")
    process = subprocess.Popen([sys.executable, __file__, str(port)], env=environment, stdout=log, stderr=log)
    try:
        for _ in range(1200):
            assert process.poll() is None, (cache / "log").read_text()
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                break
            time.sleep(0.1)
        yield f"openai:http://127.0.0.1:{port}/v1#{vlm_path()}"
    finally:
        process.kill()
        process.wait()
        log.close()


def serve(port: int) -> None:
    """What ``transformers serve <the embedded VLM>`` does, but for accelerate, which it takes to place a model."""
    import torch
    from transformers import AutoModelForImageTextToText
    from transformers.cli.serve import Serve
    from transformers.cli.serving.model_manager import ModelManager

    def load(_: ModelManager, name: str, **__: object) -> AutoModelForImageTextToText:
        return AutoModelForImageTextToText.from_pretrained(name.partition("@")[0], dtype=torch.float32)

    torch.set_num_threads(1)
    ModelManager._load_model = load
    Serve(force_model=str(vlm_path()), device="cpu", host="127.0.0.1", port=port)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
