"""Renders findings and verdicts: for people, for programs, for CI servers."""
