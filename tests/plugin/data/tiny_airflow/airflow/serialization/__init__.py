"""What Airflow stores of a DAG."""
