"""Every option of `vlsam_ros.config` as a ROS parameter of the same name, read once at start."""

from __future__ import annotations

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlsam_ros.config import Config, Option, options


def declare(node: Node) -> Config:
    """The configuration that the node was started with; its parameters are declared, read-only, with doc and range.

    What is given is checked before it is declared, by the same rules as everywhere else: rclpy would refuse ``1`` for a
    float, and would ignore a misspelt name.

    Raises:
        ConfigError: a parameter of one of our groups is unknown, or has a wrong type or value.
    """
    known = {option.name: option for option in options()}
    groups = {option.group for option in known.values()}
    given = {name: parameter.value for name, parameter in node._parameter_overrides.items()}
    ours = {name: value for name, value in given.items() if name.split(".")[0] in groups}
    for name in given.keys() - ours.keys():
        if name.split(".")[0] not in ("use_sim_time", "qos_overrides", "start_type_description_service"):
            node.get_logger().warning(f"parameter {name!r} is not one of this node's, ignored")
    config = Config.from_flat({name: _not_set_as_empty(known.get(name), value) for name, value in ours.items()})
    for name, value in config.flat().items():
        # rclpy takes an empty list for bytes; what it knows for sure is "an array of strings, not set".
        shown = Parameter.Type.STRING_ARRAY if value == [] else value
        node.declare_parameter(name, shown, descriptor(known[name]), ignore_override=True)
    return config


def _not_set_as_empty(option: Option | None, value: object) -> object:
    """``[]`` in a parameter file has no type, and arrives as not set."""
    return [] if value is None and option is not None and option.type is list else value


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
