"""Tells people: what is due to whom, in which words, and the channels it goes out through. Never in a tick's way."""
