"""Manual tests: a person's record, which no program overwrites.

The one exception is opted into: a pass that has expired is posted once as skipped, with the
person's words kept.
"""

from __future__ import annotations

from compai_dags.checks.base import CheckContext
from compai_dags.due import attestation_due_since
from compai_dags.outcomes import Observation, Outcome, Reason
from compai_dags.rows import Row
from compai_dags.stored import Author, Stored


def evaluate(row: Row, context: CheckContext) -> Observation:
    stored = row.stored
    if context.post_attestation_expiry and _is_attested(stored) and stored.at is not None:
        due_since = attestation_due_since(row, stored.at)
        if due_since <= context.now():
            return Observation(
                outcome=Outcome.MANUAL,
                reason=Reason.ATTESTATION_EXPIRED,
                sentence=f"Attested {stored.at:%Y-%m-%d}, due since {due_since:%Y-%m-%d}. "
                "The attestation said:",
                quoted=_full_text(row, context),
            )
    return Observation(outcome=Outcome.MANUAL, sentence="Left to a person.")


def _is_attested(stored: Stored) -> bool:
    return stored.author is Author.OTHER and stored.result == "pass"


def _full_text(row: Row, context: CheckContext) -> str:
    """The person's whole text: rows travel without it."""
    for test in context.client.list_control_tests(control_id=row.control_id):
        if test.id == row.id and test.last_details:
            return test.last_details
    return "(no text)"
