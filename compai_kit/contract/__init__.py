"""The contract with Comp-AI: read it, match calls, judge exchanges, hold recordings to it."""
