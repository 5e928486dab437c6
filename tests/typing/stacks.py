"""Never run, only type-checked: both ways in which Airflow runs offer what the fixtures promise."""

from compai_kit.airflow_stack.compose import ComposeStack
from compai_kit.airflow_stack.instance import AirflowStack
from compai_kit.airflow_stack.processes import ProcessStack


def stacks(processes: ProcessStack, compose: ComposeStack) -> list[AirflowStack]:
    return [processes, compose]
