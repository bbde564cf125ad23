"""Tells people: what is due to whom, in which words, and the channels it goes out through. Never in a tick's way."""

from agent.notify.channels import Channel
from agent.notify.notifier import Notifier

__all__ = ["Channel", "Notifier"]
