"""Free ports on loopback, from below the ranges that systems hand out by themselves.

Between choosing and binding, an outgoing connection could take a port of the ephemeral range; here
only another chooser can, and the choice is random.
"""

import random
import socket

_LOWEST = 20_000
_HIGHEST = 32_000
_TRIES = 200


def free_port(*, but: int | None = None) -> int:
    """A port that nothing on 127.0.0.1 listens on right now, and not the one already chosen."""
    for _ in range(_TRIES):
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - not for secrecy
        if port == but:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on 127.0.0.1 between {_LOWEST} and {_HIGHEST}")
