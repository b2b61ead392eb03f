"""Every option is declared once, and whole."""

import pytest

from vlsam_ros.config import LIVE, Config, Option, is_live, options
from vlsam_ros.errors import ConfigError

ALL = list(options())


@pytest.mark.parametrize("option", ALL, ids=lambda o: o.name)
def test_every_option_is_documented_and_its_default_is_allowed(option: Option):
    assert len(option.doc) > 10 and not option.doc.endswith(".")
    assert option.type in (bool, int, float, str, list)
    assert option.check(option.default) == option.default
    if option.type in (int, float):
        assert option.low is not None and option.high is not None and option.low < option.high
    if option.choices:
        assert option.default in option.choices


@pytest.mark.parametrize("option", [o for o in ALL if o.type in (int, float)], ids=lambda o: o.name)
def test_ranges_are_closed_and_hold(option: Option):
    for edge in (option.low, option.high):
        assert option.check(option.type(edge)) == edge
    for beyond in (option.low - 1, option.high + 1):
        with pytest.raises(ConfigError, match=option.name):
            option.check(option.type(beyond))


def test_flat_is_the_inverse_of_from_flat():
    changed = {"prompts.threshold": 0.5, "views.far": 0, "questions.questions": ["What?"], "refine.box": "none"}
    config = Config.from_flat(changed)
    assert config.flat() == Config().flat() | changed
    assert Config.from_flat(config.flat()) == config
    assert Config.from_flat({}) == Config()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"views.far_out": 1}, "views.far_scale"),
        ({"nothing": 1}, "unknown option 'nothing'"),
        ({"views.far": 1.0}, "expected int, got float 1.0"),
        ({"views.far": True}, "expected int, got bool"),
        ({"views.far": "3"}, "expected int, got str '3'"),
        ({"views.full": 1}, "expected bool, got int"),
        ({"vlm.model": 3}, "expected str, got int"),
        ({"vlm.model": None}, "expected str, got NoneType"),
        ({"views.overlap": 0.9}, "expected 0 to 0.8, got 0.9"),
        ({"views.overlap": float("nan")}, "got nan"),
        ({"views.overlap": "much"}, "expected float"),
        ({"attention.flow": "up"}, "expected one of flow, last, mean, got 'up'"),
        ({"questions.questions": "What?"}, "expected a list of strings"),
        ({"questions.questions": ["What?", 1]}, "expected a list of strings"),
        ({"node.pitch_deg": 2.0}, "expected a list of numbers"),
        ({"node.pitch_deg": ["2.0"]}, "expected a list of numbers"),
        ({"node.pitch_deg": [True]}, "expected a list of numbers"),
        ({"node.pitch_deg": [0.0, 90.0]}, "expected -60 to 60, got 90.0"),
        ({"verify.question": "Is it there?"}, "expected '{name}' in it, got 'Is it there?'"),
    ],
    ids=str,
)
def test_errors_say_what_was_expected(values, message):
    with pytest.raises(ConfigError, match=".*") as error:
        Config.from_flat(values)
    assert message in str(error.value)


def test_whole_numbers_are_floats_where_floats_are_wanted():
    assert Config.from_flat({"views.overlap": 0}).views.overlap == 0.0
    assert isinstance(Config.from_flat({"views.overlap": 0}).views.overlap, float)
    (pitch,) = Config.from_flat({"node.pitch_deg": (2,)}).node.pitch_deg
    assert isinstance(pitch, float) and pitch == 2.0


def test_defaults_are_not_shared():
    a, b = Config(), Config()
    assert a.questions.questions is not b.questions.questions


def test_a_profile_says_what_it_ignores(tmp_path, caplog):
    path = tmp_path / "profile.yaml"
    path.write_text("/**:\n  ros__parameters:\n    veiws.far: 2\n    use_sim_time: true\n")
    assert Config.from_file(path) == Config()
    assert caplog.messages == [f"{path}: parameter 'veiws.far' is not one of the detector's, ignored"]


def test_a_profile_that_is_no_file_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.yaml"):
        with pytest.raises(ConfigError, match=f"can't read the profile {path}"):
            Config.from_file(path)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"/**: \xe9", b"[" * 1000, b"a: &a [*a]", b"\x00"])
def test_a_profile_that_is_no_text_or_far_too_deep_is_an_error(tmp_path, data):
    path = tmp_path / "profile.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="profile.yaml"):
        Config.from_file(path)


@pytest.mark.parametrize("topics", [["/cam//image"], ["cam image"], [""], [], ["/cam/"], ["/a", "/b", "/a"]])
def test_topics_need_names(topics):
    with pytest.raises(ConfigError, match="node.image_topics: "):
        Config.from_flat({"node.image_topics": topics})


@pytest.mark.parametrize("key", ["priorities", "height_m", "pitch_deg", "roll_deg"])
def test_what_each_camera_has_is_one_for_all_or_one_each(key: str) -> None:
    topics = ["/a/image", "/b/image"]
    for given, each in (([2.0], [2.0, 2.0]), ([1.0, 3.0], [1.0, 3.0])):
        options = Config.from_flat({"node.image_topics": topics, f"node.{key}": given}).node
        assert [options.of_camera(key, index) for index in range(2)] == each
    for wrong in ([], [1.0] * 3):
        with pytest.raises(ConfigError, match=f"node.{key}: expected 1 or 2 values, got {len(wrong)}"):
            Config.from_flat({"node.image_topics": topics, f"node.{key}": wrong})


def test_what_may_change_while_it_runs_is_known_and_loads_no_model() -> None:
    names = {option.name: option for option in options()}
    groups = {option.group for option in names.values()}
    assert {*LIVE} <= groups | {*names}
    live = {name for name, option in names.items() if is_live(option)}
    assert {"merge.min_score", "node.keyframe_rate_hz", "questions.ignore", "node.priorities"} <= live
    assert not [n for n in live if n.split(".")[0] in ("vlm", "segmenter") or n.endswith((".model", ".device"))]
