"""Moved to `due`; here until nothing imports it any more."""

from __future__ import annotations

from compai_dags.due import attestation_due_since

__all__ = ["attestation_due_since"]
