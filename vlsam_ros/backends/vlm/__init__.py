"""Vision-language models through transformers, with the attention of their language model."""
