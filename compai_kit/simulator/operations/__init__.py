"""The operations of Comp-AI that are simulated, one module per noun.

The rest of the route table answers 501.
"""

from collections.abc import Mapping

from compai_kit.simulator.operations import control_tests, controls, evidence, health, remediation
from compai_kit.simulator.operations.call import Operation

OPERATIONS: Mapping[str, Operation] = {
    **control_tests.OPERATIONS,
    **controls.OPERATIONS,
    **evidence.OPERATIONS,
    **health.OPERATIONS,
    **remediation.OPERATIONS,
}
