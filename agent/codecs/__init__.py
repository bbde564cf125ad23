"""Codecs: bytes to typed messages and back, without IO, time or state beyond one message."""
