"""The agent: watches a mining site, recognises incidents, remediates them and proves the fix."""

__version__ = "0.1.0"
