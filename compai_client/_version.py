"""The version, as a literal: inside a bundle there is no installed distribution to ask."""

__version__ = "0.1.0"
