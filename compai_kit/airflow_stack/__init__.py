"""A real Airflow for tests: its environment, its processes, and the REST client that drives it.

Nothing here imports Airflow: it runs in an interpreter of its own and is reached over HTTP only.
"""
