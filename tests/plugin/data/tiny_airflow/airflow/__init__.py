"""Stands in for Airflow where a test needs nothing of it but parsing."""

__version__ = "3.3.2"
