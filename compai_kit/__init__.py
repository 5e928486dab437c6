"""The tooling around the Comp-AI × Airflow integration: contract, simulator, stack, gate.

Nothing in here is imported by the DAGs or the client; what is deployed never needs this package.
"""
