"""Every option of `vlsam_ros.config` as a ROS parameter of the same name, read once at start."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlsam_ros.config import Config, Option, options, own
from vlsam_ros.output.text import plain


def declare(node: Node) -> Config:
    """The configuration that the node was started with; its parameters are declared, read-only, with doc and range.

    What is given is checked before it is declared, by the same rules as everywhere else: rclpy would refuse ``1`` for a
    float, and would ignore a misspelt name.

    Raises:
        ConfigError: a parameter of one of our groups is unknown, or has a wrong type or value.
    """
    values, foreign = own({name: parameter.value for name, parameter in node._parameter_overrides.items()})
    for name in foreign:
        node.get_logger().warning(f"parameter {plain(name)!r} is not one of this node's, ignored")
    config = Config.from_flat(values)
    for option in options():
        _show(node, option, config.flat()[option.name])
    return config


def _show(node: Node, option: Option, value: Any) -> None:
    """Declare a parameter with a value that can be read, since one without hides all others in `ros2 param dump`."""
    if value != []:
        node.declare_parameter(option.name, value, descriptor(option), ignore_override=True)
        return
    kind = Parameter.Type.DOUBLE_ARRAY if option.item is float else Parameter.Type.STRING_ARRAY
    node.declare_parameter(option.name, kind, ignore_override=True)  # of a bare [], rclpy would make bytes
    node.set_parameters([Parameter(option.name, kind, [])])
    about = descriptor(option)
    about.type = kind.value
    node.set_descriptor(option.name, about)


def descriptor(option: Option) -> ParameterDescriptor:
    """Doc, choices and range for ``ros2 param describe``."""
    result = ParameterDescriptor(name=option.name, description=option.doc, read_only=True)
    if option.choices:
        result.additional_constraints = "one of: " + ", ".join(option.choices)
    if option.low is not None and option.high is not None:
        if option.type is int:
            result.integer_range = [IntegerRange(from_value=int(option.low), to_value=int(option.high), step=1)]
        else:
            low, high = float(option.low), float(option.high)
            result.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return result
