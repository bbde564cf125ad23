"""Detectors: columns in, verdicts out. One file each; pure, but for the state arrays each keeps between ticks."""
