"""Triage: verdicts in, incidents out. Knows what each device is expected to be doing."""
