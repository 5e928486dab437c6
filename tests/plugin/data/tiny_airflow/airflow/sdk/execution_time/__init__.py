"""Where Airflow looks Variables and Connections up."""
