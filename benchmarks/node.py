"""The node's figures, beside those of a node that reads and infers in its callback, in one run.

    python -m benchmarks.node                        # all; 4 minutes
    python -m benchmarks.node --only delivery real   # some
    python -m benchmarks.node --seconds 20           # longer each

Cameras of 1080p at 20 Hz, in processes of their own; a pretended model (benchmarks/rig.py) of 0.8 s a keyframe, which
sleeps or keeps all cores busy. `ages`: of the image when inference starts, by the stamps in the messages. `services`:
until they answer, while the model keeps all cores busy. `work`: CPU time of the node's own process for each frame that
it receives. `message`: 50 masks. `crash`: from SIGKILL of the models to the next result. `delivery`: what comes of raw
frames while the model keeps all cores busy, as a share of what a bare subscription gets beside the same load, one after
the other. `real`: the embedded models and the sample recording at 10 Hz. All with docs/fastdds.xml, or `--transport
default`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, median

import numpy as np

from benchmarks.rig import (
    NICE,
    NODE,
    ROOT,
    SECONDS,
    Client,
    alone,
    children,
    cpu_s,
    detector,
    pretending,
    role,
    seconds,
)
from benchmarks.transport import HEIGHT, QUALITIES, RATE_HZ, TOPIC, WAYS, WIDTH, cores_in_use
from vlsam_ros.data import Detection, Detections, Witness

PERIOD_S = 1 / RATE_HZ


@dataclass
class Row:
    """A figure of the node's; `most` or `least` is the aim, if there is one."""

    figure: str
    unit: str
    value: float
    baseline: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None: there is none."""
        if self.most is None and self.least is None:
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def aim(self) -> str:
        """In words."""
        return (
            f"≤ {self.most:.3g}" if self.most is not None else f"≥ {self.least:.3g}" if self.least is not None else ""
        )


Part = Callable[[Client, float], Iterator[Row]]


def started_ages_s(results: Sequence) -> list[float]:
    """How old the images were when inference started."""
    return [seconds(result.started) - seconds(result.header.stamp) for result in results]


def topics(count: int, kind: str) -> list[str]:
    """Names of so many cameras' topics."""
    return [f"/bench{n}/image" + "/compressed" * (kind == "jpeg") for n in range(count)]


def ages(client: Client, length_s: float) -> Iterator[Row]:
    """One camera and four."""
    for number, picture, model in ((1, "jpeg", "sleep"), (1, "raw", "burn"), (4, "jpeg", "burn")):
        names = topics(number, picture)
        rounds = number * max(3, round(length_s / SECONDS / number))
        with role("camera", *names, "--kind", picture):
            with role("obvious", *names, "--kind", model):
                client.results(2)  # its queue is full by then
                before = started_ages_s(client.results(4))
            with pretending(model, names):
                client.results(2)
                results = client.results(rounds)
        after, turn_s = started_ages_s(results), number * SECONDS if number > 1 else PERIOD_S
        what = f"age at the start, {number} × {picture}, model {model}s"
        yield Row(f"{what}, mean", "ms", 1e3 * mean(after), 1e3 * mean(before), most=1e3 * 1.2 * turn_s)
        yield Row(f"{what}, longest", "ms", 1e3 * max(after), 1e3 * max(before), most=1e3 * 1.2 * turn_s)
        if number > 1:
            least = min(Counter(result.camera for result in results)[f"bench{n}"] for n in range(number))
            yield Row("least share of the keyframes of 4 cameras", "%", 100 * least / rounds, least=20.0)


def services(client: Client, length_s: float) -> Iterator[Row]:
    """While the model keeps all cores busy."""
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters
    from std_srvs.srv import SetBool

    asked = [(GetParameters, "get_parameters", {"names": ["use_sim_time"]}), (SetBool, "enable", {"data": True})]
    names = topics(1, "raw")
    with role("camera", *names, "--kind", "raw"):
        with role("obvious", *names, "--kind", "burn"):
            client.results(2)
            before = [client.call(kind, name, **what) for kind, name, what in asked for _ in range(3)]
        asked.append((GetState, "get_state", {}))
        with pretending("burn", names):
            client.results(2)
            took = [
                client.call(kind, name, **what)
                for _ in range(max(70, round(7 * length_s)))
                for kind, name, what in asked
            ]
    yield Row(f"a service's answer, p99 of {len(took)}", "ms", _p99_ms(took), _p99_ms(before), most=50.0)
    yield Row("a service's answer, median", "ms", 1e3 * median(took), 1e3 * median(before))


def _p99_ms(values: Sequence[float]) -> float:
    return 1e3 * float(np.percentile(values, 99))


def work(client: Client, length_s: float) -> Iterator[Row]:
    """The node's own process; the model takes no time, so that every frame is taken, or it is paused."""
    from std_srvs.srv import SetBool

    for picture in ("raw", "jpeg"):
        names = topics(1, picture)
        with role("camera", *names, "--kind", picture):
            with role("obvious", *names, "--kind", "quick") as node:
                client.results(5)
                pid = node.pid
                began, used = time.monotonic(), cpu_s(pid)
                client.spin(length_s / 2)
                before = (cpu_s(pid) - used) / (RATE_HZ * (time.monotonic() - began))
            with pretending("quick", names) as node:
                client.results(5)
                for taken in (True, False):
                    client.call(SetBool, "enable", data=taken)
                    value = _per_frame_s(client, node.pid, length_s / 2)
                    what = "taken" if taken else "not taken"
                    yield Row(
                        f"CPU of the node's process per {picture} frame, {what}",
                        "ms",
                        1e3 * value,
                        1e3 * before if taken else None,
                        most=15.0,
                    )


def _per_frame_s(client: Client, pid: int, length_s: float) -> float:
    received = int(client.values("camera bench0")[1]["frames received"])
    used = cpu_s(pid)
    client.spin(length_s)
    later = int(client.values("camera bench0")[1]["frames received"])
    return (cpu_s(pid) - used) / max(later - received, 1)


def message(client: Client, length_s: float) -> Iterator[Row]:
    """50 masks as their message, against an image each: of rendered objects at any distance, and of the far ones."""
    from builtin_interfaces.msg import Time
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    from vlsam_ros.output.messages import Keyframe, to_message
    from vlsam_ros.ros.convert import TYPES

    keyframe = Keyframe(Header(), "front", 0, Time(), Time())

    def ours(items: tuple[Detection, ...]) -> list[bytes]:
        return [serialize_message(to_message(keyframe, Detections((HEIGHT, WIDTH), items), TYPES))]

    def images(items: tuple[Detection, ...]) -> list[bytes]:
        whole = [item.mask.dense((HEIGHT, WIDTH)).astype(np.uint8) for item in items]
        size = {"height": HEIGHT, "width": WIDTH, "step": WIDTH, "encoding": "mono8"}
        return [serialize_message(Image(data=array("B", pixels.tobytes()), **size)) for pixels in whole]

    def milliseconds(make: Callable, items: tuple[Detection, ...], times: int) -> float:
        def once() -> float:
            began = time.process_time()
            make(items)
            return 1e3 * (time.process_time() - began)

        return median(once() for _ in range(times))

    for what, least_m in (("at any distance", 0.0), ("beyond 15 m", 15.0)):
        items = _rendered(50, least_m)
        yield Row(
            f"50 masks {what} into a message",
            "ms",
            milliseconds(ours, items, 30),
            milliseconds(images, items, 2),
            most=6.0,
        )
        yield Row(
            f"message of 50 masks {what}",
            "kB",
            *[sum(map(len, make(items))) / 1e3 for make in (ours, images)],
            most=40.0,
        )


def _rendered(count: int, least_m: float) -> tuple[Detection, ...]:
    """So many objects as rendered scenes show them at 1080p, not nearer than `least_m`, with one witness each."""
    from vlsam_ros.synthetic.render import render
    from vlsam_ros.synthetic.scene import sample_world
    from vlsam_ros.synthetic.truth import ground_truth

    items: list[Detection] = []
    for seed in range(40_000_000, 40_001_000):
        frame = render(sample_world(seed), size_wh=(WIDTH, HEIGHT))
        far = sum(seen.distance_m >= least_m for seen in frame.objects)
        objects = ground_truth(frame).items[: len(frame.objects)]  # the nearest first
        items += objects[len(objects) - far :]
        if len(items) >= count:
            break
    return tuple(replace(item, witnesses=(Witness("attention", 1.0, 1.0),)) for item in items[:count])


def crash(client: Client, length_s: float) -> Iterator[Row]:
    """The models' process is killed while it looks at a frame."""
    late = []
    with role("camera", *topics(1, "jpeg"), "--kind", "jpeg"), pretending("sleep", topics(1, "jpeg")) as node:
        client.results(2)
        for _ in range(3):
            client.results(1)
            client.spin(SECONDS / 2)
            client.forget()
            os.kill(children(node.pid)["vlsam_models"], signal.SIGKILL)
            began = time.monotonic()
            client.until(lambda: any(result.status == 0 for result in client.detections), "a result after the crash")
            took_s = time.monotonic() - began
            late.append(took_s - float(client.values("models")[1]["load time (s)"]))
    yield Row("from a crash to the next result, less the load time, longest of 3", "s", max(late), most=1.0)


def delivery(client: Client, length_s: float) -> Iterator[Row]:
    """Raw frames, all cores busy: a bare subscription and the node in turn, twice."""
    for reliability in QUALITIES:
        bare, plain, tracked = [], [], []
        with role("camera", TOPIC, "--kind", "raw", "--reliability", reliability):
            for _ in range(2):
                bare.append(_bare(reliability, length_s))
                with pretending("burn", [f"/{TOPIC}"], "-p", "node.health_rate_hz:=10.0"):
                    client.results(2)
                    plain.append(_received(client, length_s))
                    client.follow_tracks(True)
                    client.until(lambda: client.tracks, "tracks")
                    tracked.append(_received(client, length_s))
                    client.follow_tracks(False)
        share = mean(got for got, _ in bare)
        yield Row(f"{reliability} raw frames that a bare subscription receives", "%", 100 * share)
        for what, rows in (("", plain), (", tracks subscribed", tracked)):
            ratio = 100 * mean(got for got, _ in rows) / share
            yield Row(f"{reliability} raw frames received, of those{what}", "%", ratio, 100.0, least=95.0)
            gaps = max(gap for _, gap in rows), max(gap for _, gap in bare)
            yield Row(f"longest gap, {reliability} raw frames{what}", "s", *gaps, most=1.0)


def _bare(reliability: str, length_s: float) -> tuple[float, float]:
    """Share and longest gap, of a subscription beside which the cores are as busy."""
    command = [sys.executable, "-m", "benchmarks.transport", "subscriber", reliability, "--seconds", str(length_s)]
    with role("burner", nice=NICE):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    got = json.loads(done.stdout.splitlines()[-1])
    return got["share"], got["gap_s"]


def _received(client: Client, length_s: float) -> tuple[float, float]:
    """Share and longest gap, as the node's diagnostics and heartbeats (to 0.1 s) have it."""
    client.forget()
    began_s, before = client.values(f"camera {TOPIC}")
    client.spin(length_s)
    ended_s, after = client.values(f"camera {TOPIC}")
    frames = int(after["frames received"]) - int(before["frames received"])
    beats = [(seconds(beat.header.stamp), beat.image_age_s) for beat in client.health]
    silence_s = float(np.diff([at for at, _ in beats]).max())  # no beat, no frame: the same executor serves both
    return frames / (RATE_HZ * (ended_s - began_s)), max(silence_s, *(age for _, age in beats))


def real(client: Client, length_s: float) -> Iterator[Row]:
    """The embedded models, as many keyframes as they manage."""
    topic = "/camera/front/image/compressed"
    profile = ["--params-file", str(ROOT / "config" / "embedded.yaml"), "-p", "node.keyframe_rate_hz:=0.0"]
    with (
        role("camera", topic, "--kind", "drive", "--hz", "10"),
        detector(*profile, load="vlsam_ros.pipeline:load"),
    ):
        client.results(2)
        for tracks in (False, True):
            client.follow_tracks(tracks)
            client.until(lambda wanted=tracks: bool(client.tracks) == wanted or not wanted, "tracks")
            client.forget()
            client.spin(2 * length_s)
            results, what = [*client.detections], ", tracks subscribed" if tracks else ""
            ages_s = started_ages_s(results)
            yield Row(f"embedded models: keyframes{what}", "Hz", len(results) / (2 * length_s))
            yield Row(f"age at the start, mean{what}", "ms", 1e3 * mean(ages_s), most=1e3 * 1.2 / 10)
            yield Row(f"age when published, mean{what}", "ms", 1e3 * mean(result.age_s for result in results))
            if tracks:
                yield Row("tracks", "Hz", len(client.tracks) / (2 * length_s))
                yield Row("age of a track when published, mean", "ms", 1e3 * mean(t.age_s for t in client.tracks))
        client.follow_tracks(False)


PARTS: dict[str, Part] = {part.__name__: part for part in (ages, services, work, message, crash, delivery, real)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--transport", choices=[way for way in WAYS if way != "jpeg"], default="profile")
    args = parser.parse_args()
    from benchmarks.common import finish, header, table

    alone(args.transport)
    before = cores_in_use(2.0)
    header(f"{NODE} against an obvious one; {os.cpu_count()} cores, of which others used {before:.2f} before")
    client, rows = Client(), []
    try:
        for name in args.only:
            rows += PARTS[name](client, args.seconds)
    finally:
        client.close()
    heading = [("figure", "", "obvious node", "node", "aim", "met")]
    table(
        heading
        + [(r.figure, r.unit, "" if r.baseline is None else r.baseline, r.value, r.aim, _word(r.met)) for r in rows]
    )
    finish(transport=args.transport, cores_in_use_before=before, figures=[asdict(row) for row in rows])


def _word(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "NO"


if __name__ == "__main__":
    main()
