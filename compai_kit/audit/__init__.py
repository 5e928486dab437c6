"""What Comp-AI stores and nothing supports, judged by the rules that the DAGs themselves follow.

The only part of the kit that imports `compai_dags`: a second implementation of those rules would
sooner or later disagree with the first. It only reads.
"""
