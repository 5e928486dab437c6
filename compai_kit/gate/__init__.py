"""The gate: contract, parsing, scenarios on a real Airflow, verdict."""
