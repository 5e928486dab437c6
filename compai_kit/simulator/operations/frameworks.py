"""Frameworks and requirements.

The public list of frameworks is fixed in the service; the requirements are rows of the database,
and the two need not agree.
"""

from __future__ import annotations

from compai_kit.contract.exchange import HttpResponse
from compai_kit.simulator.answers import error_answer, json_answer
from compai_kit.simulator.operations.call import Call, Operation
from compai_kit.simulator.state import DatabaseError
from compai_kit.simulator.text import trimmed

# id, name, description
FRAMEWORKS = (
    (
        "soc2",
        "SOC 2",
        "Trust Services Criteria"
        " (security, availability, processing integrity, confidentiality, privacy)",
    ),
    ("iso27001", "ISO 27001", "Information security management system (ISMS), Annex A controls"),
    ("gdpr", "GDPR", "EU General Data Protection Regulation (privacy, DPA, breach, rights)"),
    (
        "hipaa",
        "HIPAA",
        "US Health Insurance Portability and Accountability Act (PHI, safeguards)",
    ),
    ("pci_dss", "PCI DSS", "Payment Card Industry Data Security Standard"),
    (
        "nist_csf",
        "NIST CSF 2.0",
        "NIST Cybersecurity Framework (Identify, Protect, Detect, Respond, Recover)",
    ),
)


def list_frameworks(call: Call) -> HttpResponse:  # noqa: ARG001  # every handler takes the call
    keys = ("id", "name", "description")
    return json_answer(
        200, {"frameworks": [dict(zip(keys, row, strict=True)) for row in FRAMEWORKS]}
    )


def list_requirements(call: Call) -> HttpResponse:
    """The framework is trimmed and must match exactly; a blank one means all."""
    framework = trimmed(call.query["framework"] or "") or None
    try:
        rows = call.database.all_requirements(framework=framework)
    except DatabaseError:
        return error_answer(500, "Failed to list requirements")
    return json_answer(200, [row.as_json(slug) for slug, row in rows])


OPERATIONS = {
    "listFrameworks": Operation(handler=list_frameworks, public=True),
    "listRequirements": Operation(handler=list_requirements, query={"framework": "string"}),
}
