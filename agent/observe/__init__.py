"""Observe: polls devices, each under one deadline, and writes what they tell into the site view's columns."""
