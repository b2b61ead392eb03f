"""Every option of `vlsam_ros.config` as a ROS parameter of the same name, and what may change while the node runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from vlsam_ros.config import Config, Option, is_live, options, own
from vlsam_ros.errors import ConfigError
from vlsam_ros.output.text import plain


def declare(node: Node) -> Config:
    """The configuration that the node was started with; its parameters are declared, with doc and range.

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


def follow(node: Node, config: Config, why_fixed: Callable[[], str], apply: Callable[[Config], None]) -> None:
    """Take in what is set from now on, all of a request or nothing.

    Args:
        config: what `declare` returned.
        why_fixed: why options that no running node changes (`config.is_live`) can't change now; empty: they can.
        apply: gets the new configuration.
    """
    current = config
    live = {option.name: is_live(option) for option in options()}

    def on_set(parameters: Sequence[Parameter]) -> SetParametersResult:
        nonlocal current
        values, _ = own({parameter.name: parameter.value for parameter in parameters})
        try:
            changed = Config.from_flat(current.flat() | values)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=plain(error))
        before, after = current.flat(), changed.flat()
        fixed = [name for name in values if after[name] != before[name] and not live[name]]
        if fixed and (why := why_fixed()):
            return SetParametersResult(successful=False, reason=plain(f"{', '.join(fixed)}: {why}"))
        if after != before:
            current = changed
            apply(changed)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_set)


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
    """Doc, choices, range and when it may change, for ``ros2 param describe``."""
    result = ParameterDescriptor(name=option.name, description=option.doc)
    choices = ["one of: " + ", ".join(option.choices)] if option.choices else []
    if option.type is list and option.low is not None and option.high is not None:
        choices.append(f"each {option.low:g} to {option.high:g}")
    when = "may change at any time" if is_live(option) else "may change while the node is unconfigured"
    result.additional_constraints = "; ".join([*choices, when])
    if option.low is not None and option.high is not None and option.type in (int, float):
        if option.type is int:
            result.integer_range = [IntegerRange(from_value=int(option.low), to_value=int(option.high), step=1)]
        else:
            low, high = float(option.low), float(option.high)
            result.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return result
