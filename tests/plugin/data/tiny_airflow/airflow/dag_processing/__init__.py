"""Where Airflow 3.2 and later keep the parser."""
