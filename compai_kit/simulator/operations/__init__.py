"""The operations of Comp-AI that are simulated, one module per noun.

The rest of the route table answers 501.
"""

from collections.abc import Mapping

from compai_kit.simulator.operations import (
    analysis,
    control_tests,
    controls,
    evidence,
    frameworks,
    health,
    integrations,
    remediation,
    scan,
)
from compai_kit.simulator.operations.call import Operation

OPERATIONS: Mapping[str, Operation] = {
    **analysis.OPERATIONS,
    **control_tests.OPERATIONS,
    **controls.OPERATIONS,
    **evidence.OPERATIONS,
    **frameworks.OPERATIONS,
    **health.OPERATIONS,
    **integrations.OPERATIONS,
    **remediation.OPERATIONS,
    **scan.OPERATIONS,
}
