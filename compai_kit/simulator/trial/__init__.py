"""A simulator on trial: a live Comp-AI's recorded traffic is sent to it again.

Its answers must be the recorded ones. The same can be asked of a wrong twin, and of data whose rows
were renamed and whose ids were moved, so that nothing can be known by heart.
"""
