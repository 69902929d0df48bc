"""Decompressor: bodies are unpacked on their way, so that the other filters can read them."""
