"""Measurements of the product on this machine. Nothing here is imported by it."""
