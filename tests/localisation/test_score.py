"""From parts to a score."""

import numpy as np
import pytest

from vlsam_ros.config import Config, ScoreOptions
from vlsam_ros.errors import ConfigError
from vlsam_ros.localisation.score import score

PARTS = np.random.default_rng(0).random((50, 4))
MAPPINGS = [
    ScoreOptions(),
    ScoreOptions(attention=0.0, iou=3.0),
    ScoreOptions("logistic", -4.0, 0.0, 5.0, 2.0),
    ScoreOptions("logistic", 100.0, 100.0, 100.0, 100.0),
    ScoreOptions("logistic", -100.0, 0.0, 0.0, 1.0),
    ScoreOptions("logistic", -3.0, 0.0, 1.0, 1.0, 4.0),
]


def test_by_default_it_is_the_mean_of_what_attention_and_segmenter_say():
    assert score(PARTS, ScoreOptions()) == pytest.approx(PARTS[:, :3].mean(1))
    assert score(PARTS, ScoreOptions(certainty=1.0)) == pytest.approx(PARTS.mean(1))


def test_weights_and_logistic():
    parts = np.array([0.2, 0.6, 1.0, 0.5])
    assert score(parts, ScoreOptions(attention=2.0, iou=1.0, consistency=0.0)) == pytest.approx(1.0 / 3)
    assert score(parts, ScoreOptions("logistic", 0.0, 0.0, 0.0, 1.0)) == pytest.approx(1 / (1 + np.exp(-1)))
    assert score(parts, ScoreOptions("logistic", -2.2, 1.0, 1.0, 1.0, 0.8)) == pytest.approx(0.5)


@pytest.mark.parametrize("options", MAPPINGS, ids=str)
def test_scores_lie_in_range_and_never_fall_where_a_part_rises(options):
    low, high = score(PARTS, options), score(PARTS + 0.1 * np.random.default_rng(1).random(PARTS.shape), options)
    assert low.shape == (50,) and (low >= 0).all() and (low <= 1).all() and np.isfinite(low).all()
    assert (high >= low).all()


def test_some_weight_is_needed():
    with pytest.raises(ConfigError, match="above 0"):
        Config.from_flat({"score.attention": 0.0, "score.iou": 0.0, "score.consistency": 0.0})
