"""A stand-in for CogVLM's own code: the same interface, two small layers with a vision expert.

The test copies this file into a checkpoint's folder, whence transformers runs it.
"""

import numpy as np
import torch
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast


class CogVLMConfig(PretrainedConfig):
    model_type = "cogvlm"

    def __init__(self, vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, **kwargs):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.vision_config = {"image_size": 28, "patch_size": 7}
        super().__init__(**kwargs)


class VisionExpertAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.num_attention_heads
        self.vision_expert_query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.language_expert_query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)

    def forward(self, hidden, types):
        vision, language = self.vision_expert_query_key_value(hidden), self.language_expert_query_key_value(hidden)
        mixed = torch.where(types[..., None] == 1, vision, language)
        query, key, value = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in mixed.chunk(3, -1))
        out = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=None, dropout_p=0.0, is_causal=True
        )
        return out.transpose(1, 2).flatten(2)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = VisionExpertAttention(config)
        self.mlp = nn.Sequential(nn.Linear(config.hidden_size, 48), nn.GELU(), nn.Linear(48, config.hidden_size))

    def forward(self, hidden, types):
        hidden = hidden + self.self_attn(hidden, types)
        return hidden + self.mlp(hidden)


class Vision(nn.Module):
    """Patches, which also attend to one another: that attention is not the decoder's."""

    def __init__(self, config):
        super().__init__()
        self.patches = nn.Conv2d(3, config.hidden_size, 7, 7)
        self.boi, self.eoi = (nn.Parameter(torch.randn(1, 1, config.hidden_size)) for _ in range(2))

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = x + 0.1 * torch.nn.functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None])[:, 0]
        return torch.cat([self.boi.expand(len(x), -1, -1), x, self.eoi.expand(len(x), -1, -1)], 1)


class CogVLMModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.vision = Vision(config)


class CogVLMForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = CogVLMConfig
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

    def build_conversation_input_ids(self, tokenizer, *, query, history=None, images=None, template_version=None):
        ids = [tokenizer.bos_token_id]
        types = [0]
        if images:
            side = self.config.vision_config["image_size"]
            pixels = np.asarray(images[0].resize((side, side)), np.float32).transpose(2, 0, 1) / 255
            images = [torch.from_numpy(pixels.copy())]
            count = (side // self.config.vision_config["patch_size"]) ** 2 + 2
            ids += [tokenizer.pad_token_id] * count
            types += [1] * count
        text = tokenizer.encode(f"Question: {query} Answer:", add_special_tokens=False)
        ids, types = ids + text, types + [0] * len(text)
        return {
            "input_ids": torch.tensor(ids),
            "token_type_ids": torch.tensor(types),
            "attention_mask": torch.ones(len(ids), dtype=torch.long),
            "images": images,
        }

    def forward(self, input_ids=None, images=None, token_type_ids=None, attention_mask=None, use_cache=None, **kwargs):
        hidden = self.model.embed_tokens(input_ids)
        seen = self.model.vision(torch.stack([i for row in images for i in row]))
        hidden = hidden.masked_scatter((token_type_ids == 1)[..., None], seen)
        for layer in self.model.layers:
            hidden = layer(hidden, token_type_ids)
        return CausalLMOutputWithPast(logits=self.lm_head(hidden))

    def prepare_inputs_for_generation(self, input_ids, images=None, token_type_ids=None, **kwargs):
        types = torch.nn.functional.pad(token_type_ids, (0, input_ids.shape[1] - token_type_ids.shape[1]))
        return {"input_ids": input_ids, "images": images, "token_type_ids": types}
