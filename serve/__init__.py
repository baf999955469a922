"""The server front, the vLLM plugin and the chat."""
