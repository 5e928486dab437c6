"""What runs inside the target Airflow's interpreter, which does not have the kit.

Only the standard library and, by name at run time, Airflow. `boot.py` is the script; the modules
import each other relatively, so they are the same code under the kit's name and under boot's.
Python 3.10 must be able to run them: Airflow 3 can.
"""
