"""Step 1: the contract is valid, and what was recorded conforms to it.

A project that only gates its own DAGs has no recordings; the kit's contract was held to the kit's.
"""

from compai_kit.contract.check import check_recordings, contract_findings, load_leniencies
from compai_kit.contract.load import default_path, load_contract
from compai_kit.contract.recordings import load_recordings
from compai_kit.findings import Finding
from compai_kit.gate.model import Step
from compai_kit.gate.plan import GatePlan
from compai_kit.report.words import counted


def check_contract(plan: GatePlan) -> tuple[Step, list[Finding]]:
    """Raises ContractError or RecordingsError for input that cannot be read."""
    path = plan.contract or default_path()
    recordings = plan.recordings_folder
    findings = contract_findings(path, recordings)
    if findings:
        detail = counted(len(findings), "finding")
        return Step(name="contract", outcome="findings", detail=detail), findings
    contract = load_contract(path)
    operations = counted(len(contract.operations), "operation")
    if recordings is None:
        return Step(name="contract", outcome="ok", detail=f"{operations}; no recordings here"), []
    conformance = check_recordings(
        contract, load_recordings(recordings), load_leniencies(recordings)
    )
    detail = (
        f"{operations}; conform:"
        f" {conformance.conforming_responses} of {conformance.exchanges} recorded answers,"
        f" {conformance.conforming_requests} of {conformance.accepted_requests} accepted requests"
        f" ({conformance.lenient_requests} leniencies)"
    )
    return Step(name="contract", outcome="ok", detail=detail), []
