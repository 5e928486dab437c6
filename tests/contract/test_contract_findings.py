"""A wrong contract against the recordings: each mistake is a finding that one can act on."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from compai_kit.contract.check import check_recordings, contract_findings, load_leniencies
from compai_kit.contract.load import (
    ContractUnreadableError,
    contract_from,
    default_path,
    load_contract,
)
from compai_kit.contract.recordings import RecordingsError, load_recordings

RECORDINGS = Path(__file__).parents[1] / "cassettes" / "live"


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(load_contract().document)


def write(document: object, folder: Path) -> Path:
    file = folder / "contract.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False, width=10_000), encoding="utf-8")
    return file


def test_the_kits_own_contract_has_no_findings() -> None:
    assert contract_findings(default_path(), RECORDINGS) == []


def test_a_missing_result_in_a_response_is_found_and_named(
    document: dict[str, Any], tmp_path: Path
) -> None:
    properties = document["components"]["schemas"]["ControlTest"]["properties"]
    properties["last_result"]["enum"].remove("skipped")
    file = write(document, tmp_path)
    found = {finding.where.split()[0]: finding for finding in contract_findings(file, RECORDINGS)}
    assert found.keys() == {"listTests", "listControlTests", "recordTestResult"}
    finding = found["listTests"]
    assert finding.code == "CK102"
    assert finding.title == "A recorded response does not conform to the contract"
    assert finding.where == "listTests 200, list_tests.yaml#0 and 5 more"
    assert finding.seen == ('body/*/last_result: is none of "pass", "fail", null (seen: skipped)')
    assert finding.expected == (
        "what the service answered conforms: recorded truth outranks the document"
    )
    assert finding.fix == f"describe in {file} what was recorded; never edit a recording"
    assert finding.reproduce == (f"compai gate --contract {file} --recordings {RECORDINGS}")


def test_a_missing_result_in_a_request_is_found(document: dict[str, Any], tmp_path: Path) -> None:
    request = document["components"]["schemas"]["RecordTestResultRequest"]
    request["properties"]["result"]["enum"].remove("skipped")
    [finding] = contract_findings(write(document, tmp_path), RECORDINGS)
    assert finding.code == "CK103"
    assert finding.title == "A request that the service accepted does not conform to the contract"
    assert finding.where == "recordTestResult, record_test_result.yaml#2"
    assert finding.seen == 'body/result: is none of "pass", "fail" (seen: skipped)'
    assert "leniencies.yaml" in finding.fix


@pytest.mark.slow
def test_every_single_enum_value_and_constant_is_needed(document: dict[str, Any]) -> None:
    """Each value of each closed set is taken away in turn; the recordings notice every time."""
    recordings, leniencies = load_recordings(RECORDINGS), load_leniencies(RECORDINGS)
    unnoticed, count = set(), 0
    for place, holder, keyword, value in list(_closed_values(document, "")):
        kept = holder[keyword]
        holder[keyword] = (
            "something else" if keyword == "const" else [v for v in kept if v != value]
        )
        contract = contract_from(document, source="damaged")
        if not check_recordings(contract, recordings, leniencies).breaches:
            unnoticed.add((place, str(value)))
        holder[keyword] = kept
        count += 1
    assert unnoticed == set()
    assert count > 25


def test_an_undocumented_status_is_found(document: dict[str, Any], tmp_path: Path) -> None:
    del document["paths"]["/api/v1/integrations/github/evidence"]["post"]["responses"]["502"]
    [finding] = contract_findings(write(document, tmp_path), RECORDINGS)
    assert finding.code == "CK102"
    assert finding.where == "collectGithubEvidence 502, collect_github_evidence.yaml#12 and 9 more"
    assert finding.seen.startswith("status: 502 is not documented for collectGithubEvidence")


def test_an_operation_under_the_wrong_path_is_found(
    document: dict[str, Any], tmp_path: Path
) -> None:
    document["paths"]["/healthz"] = document["paths"].pop("/health")
    [finding] = contract_findings(write(document, tmp_path), RECORDINGS)
    assert finding.code == "CK106"
    assert finding.seen == "path: belongs to no operation"
    assert finding.where.startswith("getHealth, get_health.yaml#0")


def test_an_operation_that_nothing_recorded_proves_is_found(
    document: dict[str, Any], tmp_path: Path
) -> None:
    document["paths"]["/health"]["get"]["operationId"] = "getPulse"
    [finding] = contract_findings(write(document, tmp_path), RECORDINGS)
    assert (finding.code, finding.where) == ("CK105", "getPulse")
    assert finding.seen == "no recording has this operation"


def test_an_invalid_document_is_a_finding_per_problem(
    document: dict[str, Any], tmp_path: Path
) -> None:
    document["paths"]["/health"]["get"]["x-retry"] = "sometimes"
    document["paths"]["/api/v1/tests"]["get"]["x-timeout-seconds"] = 0
    file = write(document, tmp_path)
    findings = contract_findings(file, RECORDINGS)
    assert {finding.code for finding in findings} == {"CK101"}
    assert {finding.where for finding in findings} == {str(file)}
    assert [finding.seen for finding in findings] == [
        "listTests: x-timeout-seconds must be a number above 0",
        "getHealth: x-retry must be one of safe, repeatable, never",
    ]


def test_a_dangling_reference_is_a_finding(document: dict[str, Any], tmp_path: Path) -> None:
    del document["components"]["schemas"]["Health"]
    [finding] = contract_findings(write(document, tmp_path), RECORDINGS)
    assert finding.code == "CK101"
    assert finding.seen == (
        "/paths/~1health/get/responses/200/content/application~1json/schema: "
        "$ref '#/components/schemas/Health' leads nowhere"
    )


def test_input_that_cannot_be_read_is_not_a_finding(tmp_path: Path) -> None:
    with pytest.raises(ContractUnreadableError):
        contract_findings(tmp_path / "missing.yaml", RECORDINGS)
    with pytest.raises(RecordingsError, match=r"index\.json: No such file or directory"):
        contract_findings(default_path(), tmp_path)


class TestLeniencies:
    @pytest.fixture
    def recordings(self, tmp_path: Path) -> Path:
        """The recordings with a list of leniencies that a test may change."""
        folder = tmp_path / "live"
        folder.mkdir()
        for file in RECORDINGS.iterdir():
            if file.name != "leniencies.yaml":
                (folder / file.name).symlink_to(file)
        self.write(folder, self.entries())
        return folder

    def entries(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = yaml.safe_load(
            (RECORDINGS / "leniencies.yaml").read_text(encoding="utf-8")
        )
        return listed

    def write(self, folder: Path, entries: list[dict[str, Any]]) -> None:
        text = yaml.safe_dump(entries, sort_keys=False)
        (folder / "leniencies.yaml").write_text(text, encoding="utf-8")

    def test_an_accepted_request_that_is_not_listed_is_found(self, recordings: Path) -> None:
        self.write(recordings, self.entries()[1:])
        [finding] = contract_findings(default_path(), recordings)
        assert finding.code == "CK103"
        assert finding.where == "recordTestResult, record_test_result.yaml#7"

    @pytest.mark.parametrize(
        ("cassette", "index"),
        [
            ("record_test_result.yaml", 0),  # conforms
            ("record_test_result.yaml", 20),  # was not accepted
            ("record_test_result.yaml", 9999),
            ("missing.yaml", 0),
        ],
    )
    def test_an_entry_that_is_not_needed_is_found(
        self, recordings: Path, cassette: str, index: int
    ) -> None:
        entry = {
            "cassette": cassette,
            "index": index,
            "leniency": "array for object",
            "reason": "none",
        }
        self.write(recordings, [*self.entries(), entry])
        [finding] = contract_findings(default_path(), recordings)
        assert finding.code == "CK104"
        assert finding.title == "A listed leniency is not needed"
        assert finding.where == f"{cassette}#{index}"
        assert finding.seen == "there is no such accepted request, or it conforms"
        assert finding.fix == f"remove the entry from {recordings / 'leniencies.yaml'}"

    def test_an_unknown_kind_of_leniency_is_refused(self, recordings: Path) -> None:
        entry = {**self.entries()[0], "leniency": "anything goes"}
        self.write(recordings, [entry])
        with pytest.raises(RecordingsError, match=r"leniencies\.yaml is not a list of leniencies"):
            load_leniencies(recordings)

    def test_without_a_list_nothing_is_lenient(self, recordings: Path) -> None:
        (recordings / "leniencies.yaml").unlink()
        assert load_leniencies(recordings) == []


def _closed_values(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any], str, object]]:
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            yield from ((place, node, "enum", value) for value in node["enum"])
        if "const" in node:
            yield place, node, "const", node["const"]
        for key, child in node.items():
            if key not in ("examples", "enum", "const"):
                yield from _closed_values(child, f"{place}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _closed_values(child, f"{place}/{index}")
