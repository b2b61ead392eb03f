"""Write rosbag2 recordings: a folder with one MCAP file and a metadata.yaml that `ros2 bag` reads from Humble on."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from vlsam_ros.bags.types import store
from vlsam_ros.errors import BagError

_FOREVER = QosTime(2147483647, 4294967295)
_QOS = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)


class BagWriter:
    """A new recording; to be used in a ``with`` block. Topics are added by their first message."""

    def __init__(self, path: Path | str) -> None:
        """Raises `BagError` if there is something at `path` already."""
        self._connections: dict[str, object] = {}
        try:
            self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
        except WriterError as error:
            raise BagError(str(error)) from error

    def __enter__(self) -> BagWriter:
        self._writer.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()  # after an error, too: what was written stays readable

    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        """Append serialised CDR bytes, untouched."""
        if topic not in self._connections:
            if type_name not in store().types:
                raise BagError(f"{topic}: unknown message type {type_name!r}")
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=store(), offered_qos_profiles=[_QOS]
            )
        self._writer.write(self._connections[topic], stamp_ns, data)  # type: ignore[arg-type]

    def write_message(self, topic: str, type_name: str, stamp_ns: int, message: object) -> None:
        """Serialise and append a message made with `vlsam_ros.bags.types.make`."""
        self.write(topic, type_name, stamp_ns, bytes(store().serialize_cdr(message, type_name)))
