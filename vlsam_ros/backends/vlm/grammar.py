"""Answers held to a JSON list of short names, through xgrammar: other tokens get no chance while a model writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xgrammar
from transformers import LogitsProcessor
from xgrammar.contrib.hf import LogitsProcessor as GrammarProcessor

from ...errors import ModelLoadError

NAMES = r'\[("[A-Za-z][A-Za-z0-9 \-]{0,47}"(, "[A-Za-z][A-Za-z0-9 \-]{0,47}")*)?\]'
"""What may be written, as a regular expression."""


class Grammar:
    """`NAMES` over the tokens of one model."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: Sequence[int]) -> None:
        """`vocabulary` is the number of logits, `ends` are the tokens that end an answer.

        Raises:
            ModelLoadError: xgrammar does not know this kind of tokenizer.
        """
        try:
            info = xgrammar.TokenizerInfo.from_huggingface(
                tokenizer, vocab_size=vocabulary, stop_token_ids=list(ends) or None
            )
            self._compiled = xgrammar.GrammarCompiler(info).compile_regex(NAMES)
        except (RuntimeError, ValueError) as error:
            raise ModelLoadError(f"vlm.answers 'json': xgrammar can't use the model's tokenizer: {error}") from error

    def processor(self) -> LogitsProcessor:
        """For one generation without beams."""
        return GrammarProcessor(self._compiled)
