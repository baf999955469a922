"""The model family (docs/model.md), conversations as tensors, and context prompts.

Letters of shapes: B conversations, N tokens, D width of the language model, V words; I pictures, M faces of a picture, A voices, R rows (whole
frames, faces or voices) of a tower, W width of its features, P of its summary, T tokens of a row, S visual streams, L tokens of a question.
"""
