"""Support code of the DAG files beside it."""
