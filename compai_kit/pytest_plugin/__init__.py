"""The pytest plugin `compai`: fixtures that run DAGs on a real Airflow against the simulator."""
