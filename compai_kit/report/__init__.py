"""Renders findings and verdicts; knows nothing of how they came about."""
