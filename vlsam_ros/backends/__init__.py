"""Models behind two small interfaces: a VLM that answers with its attention, a segmenter that outlines prompts."""
