"""A stand-in for CogVLM's and CogAgent's own code: the interface of their files, two small layers with a vision expert.

As there, the model has no `generate` of transformers' own, its cache is tuples, its attention calls torch's function
only under a plain causal or a full mask, and image tokens share one position. CogAgent's layers also look at a finer
picture, by the same function. The test copies this file into a checkpoint's folder, whence transformers runs it.
"""

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast


class CogVLMConfig(PretrainedConfig):
    _auto_class = "AutoConfig"  # and no model_type

    def __init__(
        self,
        vocab_size=300,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_multi_query_heads=2,
        cross_image_size=0,
        eos_token_id=1,
        **kwargs,
    ):
        self.vocab_size, self.hidden_size, self.intermediate_size = vocab_size, hidden_size, intermediate_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.num_multi_query_heads = num_multi_query_heads
        self.cross_image_size, self.cross_hidden_size, self.cross_compute_hidden_size = cross_image_size, 16, 24
        self.vision_config = kwargs.pop("vision_config", {"image_size": 28, "patch_size": 7, "hidden_size": 24})
        super().__init__(eos_token_id=eos_token_id, **kwargs)


def attention_fn(query, key, value, mask):
    seen = mask == 0
    full, causal = seen.all(), torch.equal(seen, torch.ones_like(seen).tril())
    if full or causal:
        return nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=None, dropout_p=0.0, is_causal=not full
        )
    return ((query / query.shape[-1] ** 0.5) @ key.transpose(-1, -2) + mask).softmax(-1) @ value


def experts(types, hidden, vision, language):
    """The vision expert for image tokens but the last, the language expert for the rest."""
    image = torch.zeros_like(types, dtype=torch.bool)
    image[:, :-1] = (types[:, :-1] == 1) & (types[:, 1:] == 1)
    return torch.where(image[..., None], vision(hidden), language(hidden))


def rotated(x, positions):
    half = x.shape[-1] // 2
    angle = positions[:, None, :, None] / 100 ** (torch.arange(half, device=x.device) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)


class VisionExpertAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.key_heads = config.num_attention_heads, config.num_multi_query_heads
        self.size = config.hidden_size // self.heads
        width = self.size * (self.heads + 2 * self.key_heads)
        self.vision_expert_query_key_value = nn.Linear(config.hidden_size, width)
        self.language_expert_query_key_value = nn.Linear(config.hidden_size, width, bias=False)
        self.vision_expert_dense = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.language_expert_dense = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, hidden, types, positions, mask, past, use_cache):
        mixed = experts(types, hidden, self.vision_expert_query_key_value, self.language_expert_query_key_value)
        parts = mixed.unflatten(-1, (-1, self.size)).transpose(1, 2)
        query, key, value = parts.split([self.heads, self.key_heads, self.key_heads], 1)
        query, key = rotated(query, positions), rotated(key, positions)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        past = (key, value) if use_cache else None
        key, value = (t.repeat_interleave(self.heads // self.key_heads, 1) for t in (key, value))
        out = attention_fn(query, key, value, mask).transpose(1, 2).flatten(2)
        return experts(types, out, self.vision_expert_dense, self.language_expert_dense), past


class CrossAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, width = config.num_attention_heads, config.cross_compute_hidden_size
        self.query = nn.Linear(config.hidden_size, width, bias=False)
        self.key_value = nn.Linear(config.cross_hidden_size, 2 * width, bias=False)
        self.dense = nn.Linear(width, config.hidden_size, bias=False)

    def forward(self, hidden, seen, past, use_cache):
        query = self.query(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        if past is None:
            pair = self.key_value(seen).chunk(2, -1)
            past = tuple(t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in pair)
        out = attention_fn(query, *past, hidden.new_zeros(1, 1, 1, 1))
        return self.dense(out.transpose(1, 2).flatten(2)), past if use_cache else None


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = VisionExpertAttention(config)
        if config.cross_image_size:
            self.cross_attn = CrossAttention(config)
        width, inner = config.hidden_size, config.intermediate_size
        self.vision_mlp, self.language_mlp = (
            nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width)) for _ in range(2)
        )

    def forward(self, hidden, types, positions, mask, past, use_cache, finer):
        attended, kept = self.self_attn(hidden, types, positions, mask, past and past[:2], use_cache)
        hidden = hidden + attended
        if hasattr(self, "cross_attn"):
            attended, crossed = self.cross_attn(hidden, finer, past and past[2:], use_cache)
            hidden, kept = hidden + attended, use_cache and kept + crossed
        return hidden + experts(types, hidden, self.vision_mlp, self.language_mlp), kept


class Vision(nn.Module):
    """Patches, which also attend to one another: that attention is not the decoder's."""

    def __init__(self, config):
        super().__init__()
        self.patches = nn.Conv2d(3, config.hidden_size, 7, 7)
        self.boi, self.eoi = (nn.Parameter(torch.randn(1, 1, config.hidden_size)) for _ in range(2))

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = x + 0.1 * nn.functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])[:, 0]
        return torch.cat([self.boi.expand(len(x), -1, -1), x, self.eoi.expand(len(x), -1, -1)], 1)


class CogVLMModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.vision = Vision(config)
        if config.cross_image_size:
            self.cross_vision = nn.Conv2d(3, config.cross_hidden_size, 7, 7)


def build_position_ids(types):
    """All image tokens between the first and the last have one position."""
    inside = torch.zeros_like(types, dtype=torch.bool)
    inside[:, 1:-1] = (types[:, 1:-1] == 1) & (types[:, :-2] == 1) & (types[:, 2:] == 1)
    step = (~inside).long()
    step[:, 1:] |= (inside[:, 1:] & ~inside[:, :-1]).long()
    step[:, 0] = 0
    return step.cumsum(-1)


class CogVLMForCausalLM(PreTrainedModel):
    config_class = CogVLMConfig
    _auto_class = "AutoModelForCausalLM"
    _no_split_modules = ["Layer"]

    def __init__(self, config):
        super().__init__(config)
        self.model = CogVLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def get_output_embeddings(self):
        return self.lm_head

    def build_conversation_input_ids(self, tokenizer, *, query, history=None, images=None, template_version=None):
        ids, types = [tokenizer.bos_token_id], [0]
        if images:
            side = self.config.vision_config["image_size"]
            pixels = np.asarray(images[0].resize((side, side)), np.float32).transpose(2, 0, 1) / 255
            view, images = images[0], [torch.from_numpy(pixels.copy())]
            count = (side // self.config.vision_config["patch_size"]) ** 2 + 2
            ids, types = ids + [tokenizer.pad_token_id] * count, types + [1] * count
        text = tokenizer.encode(f"Question: {query} Answer:", add_special_tokens=False)
        ids, types = ids + text, types + [0] * len(text)
        finer = {}
        if images and (side := self.config.cross_image_size):
            pixels = np.asarray(view.resize((side, side)), np.float32).transpose(2, 0, 1) / 255
            finer = {"cross_images": [torch.from_numpy(pixels.copy())]}
        return {
            **finer,
            "input_ids": torch.tensor(ids),
            "token_type_ids": torch.tensor(types),
            "attention_mask": torch.ones(len(ids), dtype=torch.long),
            "images": images,
            "labels": None,
        }

    def forward(
        self,
        input_ids=None,
        images=None,
        token_type_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        use_cache=None,
        cross_images=None,
    ):
        hidden, finer = self.model.embed_tokens(input_ids), None
        before = 0 if past_key_values is None else past_key_values[0][0].shape[2]
        if not before:
            seen = self.model.vision(torch.stack([i for row in images for i in row]))
            if cross_images is not None:
                own = torch.stack([i for row in cross_images for i in row])
                finer = self.model.cross_vision(own).flatten(2).transpose(1, 2)
            hidden = hidden.masked_scatter((token_type_ids == 1)[..., None], seen.to(hidden.dtype))
        if position_ids is None:
            position_ids = build_position_ids(token_type_ids)
        n, lowest = hidden.shape[1], torch.finfo(hidden.dtype).min
        mask = torch.full((n, before + n), lowest, device=hidden.device).triu(before + 1)[None, None]
        mask = mask.masked_fill(attention_mask[:, None, None] == 0, lowest)
        kept = ()
        for index, layer in enumerate(self.model.layers):
            past = None if past_key_values is None else past_key_values[index]
            hidden, past = checkpoint(
                layer, hidden, token_type_ids, position_ids, mask, past, use_cache, finer, use_reentrant=False
            )
            kept += (past,)
        return CausalLMOutputWithPast(logits=self.lm_head(hidden), past_key_values=kept if use_cache else None)

    def prepare_inputs_for_generation(
        self, input_ids, token_type_ids, images=None, past_key_values=None, attention_mask=None, **kwargs
    ):
        last = slice(-1, None) if past_key_values else slice(None)
        return {
            "input_ids": input_ids[:, last],
            "token_type_ids": token_type_ids[:, last],
            "position_ids": build_position_ids(token_type_ids)[:, last],
            "images": images,
            **{name: kwargs[name] for name in ("cross_images",) if name in kwargs},
            "past_key_values": past_key_values,
            "use_cache": kwargs.get("use_cache"),
            "attention_mask": attention_mask,
        }


class CogAgentForCausalLM(CogVLMForCausalLM):
    _auto_class = "AutoModelForCausalLM"
