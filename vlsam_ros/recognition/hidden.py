"""A map that needs no attention: how alike the hidden states of a name and of each of the image's tokens are.

After FSeg-LLaVA (CVPR 2026), which compares the states of middle layers. The mean over the image's tokens is taken out
of both first: what all of them share says nothing of places.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..data import Answer
from ..errors import VlmError


def similarity(answer: Answer, rows: Sequence[Sequence[int]]) -> Tensor:
    """The cosine of each name's centred hidden state and those of the image's tokens; what is below 0 is 0.

    Args:
        answer: with its hidden states.
        rows: for each of R names the positions of its tokens in the sequence, whose states are averaged.

    Returns:
        float32 (R, M) on the host, M image tokens in the order of `ImageLayout.positions`.

    Raises:
        VlmError: the answer has no hidden states, or they are not finite.
    """
    if answer.hidden is None:
        raise VlmError("attention.preset needs hidden states, and the VLM gave none; take 'vlsam'")
    image, said = answer.hidden.image.float(), answer.hidden.answer.float()
    names = torch.stack([said[[row - answer.first_row for row in own]].mean(0) for own in rows])
    middle = image.mean(0)
    alike = (normalize(names - middle, dim=-1) @ normalize(image - middle, dim=-1).T).clamp(min=0).cpu()
    if not alike.isfinite().all():
        raise VlmError(f"the hidden states over {answer.question!r} are not finite")
    return alike
