"""Whether the node's memory stays what it is.

    python -m benchmarks.soak                  # 10 minutes
    python -m benchmarks.soak --minutes 1

A raw and a JPEG camera, 1080p at 20 Hz, a pretended model of 0.8 s, and somebody who looks at tracks, overlays, heat
maps and label images. Each process's resident memory, file descriptors and threads are read every second. After the
first fifth as a warm-up, the mean of the last quarter is compared with that of the first.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from statistics import mean

from benchmarks.rig import Client, alone, children, pretending, role
from benchmarks.transport import cores_in_use

TOPICS = ["/raw/image", "/packed/image/compressed"]
FLAT = 0.02
"""Share by which memory may grow."""


@dataclass
class Watched:
    """One process, second by second."""

    mib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self, pid: int) -> None:
        """Read it now."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        self.mib.append(int(status["VmRSS"].split()[0]) / 1024)
        self.threads.append(int(status["Threads"]))
        self.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))

    def settled(self) -> Watched:
        """Without the warm-up."""
        first = len(self.mib) // 5
        return Watched(self.mib[first:], self.descriptors[first:], self.threads[first:])

    @property
    def ends(self) -> tuple[float, float]:
        """Mean memory of the first quarter and of the last."""
        quarter = max(1, len(self.mib) // 4)
        return mean(self.mib[:quarter]), mean(self.mib[-quarter:])

    @property
    def growth(self) -> float:
        """Of memory, as a share."""
        first, last = self.ends
        return last / first - 1

    def summary(self) -> dict[str, object]:
        """For the JSON line; memory in ten parts of the time."""
        tenth = max(1, len(self.mib) // 10)
        parts = [round(mean(self.mib[n : n + tenth]), 1) for n in range(0, len(self.mib), tenth)]
        counts = {"descriptors": max(self.descriptors), "threads": max(self.threads)}
        return {"growth": round(self.growth, 4), "mib": parts, **counts}


def soak(seconds: float) -> tuple[dict[str, Watched], list[int], int]:
    """Each process, how many results came in each second, and how many messages of tracks in all."""
    from sensor_msgs.msg import CompressedImage, Image

    client, watched = Client(), {name: Watched() for name in ("node", "vlsam_models", "vlsam_beside")}
    results, tracks = [], 0
    try:
        client.follow_tracks(True)
        client.watch(CompressedImage, ["overlay/compressed", "overlay/raw/compressed", "heat/compressed"])
        client.watch(Image, [f"{kind}/packed" for kind in ("instances", "classes", "confidence")])
        with (
            role("camera", TOPICS[0], "--kind", "raw"),
            role("camera", TOPICS[1], "--kind", "jpeg"),
            pretending("sleep", TOPICS) as node,
        ):
            client.until(lambda: client.tracks, "tracks")
            pids = {"node": node.pid, **children(node.pid)}  # should one end, that is an error
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                client.forget()
                client.spin(1.0)
                results.append(len(client.detections))
                tracks += len(client.tracks)
                for name, process in watched.items():
                    process.look(pids[name])
    finally:
        client.close()
    return {name: process.settled() for name, process in watched.items()}, results, tracks


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    from benchmarks.common import finish, header, table

    alone("profile")
    header(f"{args.minutes:g} minutes; {os.cpu_count()} cores, of which others used {cores_in_use(2.0):.2f} before")
    watched, results, tracks = soak(60 * args.minutes)
    rows = [("process", "MiB at first", "at last", "least", "most", "growth %", "flat", "descriptors", "threads")]
    for name, process in watched.items():
        ends = *process.ends, min(process.mib), max(process.mib)
        flat = "yes" if abs(process.growth) <= FLAT else "NO"
        ranges = [f"{min(values)} to {max(values)}" for values in (process.descriptors, process.threads)]
        rows.append((name, *ends, 100 * process.growth, flat, *ranges))
    table(rows)
    silent = max((len([*run]) for some, run in groupby(results, bool) if not some), default=0)
    print(f"{sum(results)} results, at the longest {silent} s without one; {tracks} messages of tracks\n")
    figures = {"results": sum(results), "longest_silence_s": silent, "tracks": tracks}
    finish(minutes=args.minutes, **figures, **{n: p.summary() for n, p in watched.items()})


if __name__ == "__main__":
    main()
