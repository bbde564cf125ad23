"""The vocabulary every other package speaks: plain data, no IO, no time, no randomness."""
