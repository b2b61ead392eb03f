"""A command-line program's one node, under the ROS arguments that the program was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from vlsam_ros.errors import ConfigError

_Kind = TypeVar("_Kind", bound=Node)
_WRONG = (RuntimeError, NameValidationException, ParameterException)
"""What rclpy raises for arguments and names; its RCLError is a RuntimeError."""


def own_arguments(argv: Sequence[str]) -> list[str]:
    """The arguments that are not ROS's.

    Raises:
        ConfigError: ROS arguments that can't be read.
    """
    try:
        return list(remove_ros_args(list(argv)))
    except _WRONG as error:
        raise _refused(error) from error


@contextmanager
def started(make: Callable[[], _Kind], argv: Sequence[str]) -> Iterator[_Kind]:
    """The node that `make` makes, until the block ends.

    Raises:
        ConfigError: a ROS argument, parameter or name that the node can't have.
    """
    try:
        try:
            rclpy.init(args=list(argv), signal_handler_options=SignalHandlerOptions.NO)
            node = make()
        except _WRONG as error:
            raise _refused(error) from error
        try:
            yield node
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _refused(error: Exception) -> ConfigError:
    return ConfigError(" ".join(str(error).partition(", at /")[0].split()))  # without the line of rcl's source
