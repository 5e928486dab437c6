"""Step 1: the contract is valid, and what was recorded conforms to it."""

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
    findings = contract_findings(path, plan.recordings)
    if findings:
        detail = counted(len(findings), "finding")
        return Step(name="contract", outcome="findings", detail=detail), findings
    contract = load_contract(path)
    conformance = check_recordings(
        contract, load_recordings(plan.recordings), load_leniencies(plan.recordings)
    )
    detail = (
        f"{counted(len(contract.operations), 'operation')}; conform:"
        f" {conformance.conforming_responses} of {conformance.exchanges} recorded answers,"
        f" {conformance.conforming_requests} of {conformance.accepted_requests} accepted requests"
        f" ({conformance.lenient_requests} leniencies)"
    )
    return Step(name="contract", outcome="ok", detail=detail), []
