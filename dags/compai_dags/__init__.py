"""What the Comp-AI DAGs do, without Airflow: pure decisions, calls through compai_client.

Only `airflow_adapter` imports Airflow; everything else runs in unit tests.
"""

# A literal: inside a bundle there is no installed distribution to ask.
__version__ = "0.1.0"
