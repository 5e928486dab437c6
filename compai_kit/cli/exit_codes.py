"""The one exit table of all commands."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a caller may rely on; the values are public and never change."""

    OK = 0
    """as it should be"""
    FINDINGS = 1
    """something is wrong with what was looked at, and the findings say what"""
    USAGE = 2
    """the command line makes no sense"""
    COULD_NOT_RUN = 3
    """nothing was decided: the tools or the machine failed, or input is unreadable"""
    UNDECIDED = 4
    """everything ran, and the answer is neither yes nor no"""
