"""How many threads a process computes on, and that they wait without spinning. Read by OpenMP when it is loaded.

PyTorch's and CTranslate2's wheels bring GNU OpenMP, whose threads spin for each other: on a machine that others use,
one of them waits at full speed for the other to get its turn.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from pipeline.engine.machine import usable_cores

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
_NUMBER = "OMP_NUM_THREADS"
_FEW_CORES = 2
_BUSY_SHARE = 1.5
"""Of the cores: more processes than this that want to run are not ours alone, of which there is one a core."""


def share_cores(environment: MutableMapping[str, str] | None = None) -> None:
    """Set what OpenMP asks for when a library loads it; what is set already stays. Child processes inherit it."""
    environment = os.environ if environment is None else environment
    for name, value in _PASSIVE.items():
        environment.setdefault(name, value)
    if _NUMBER not in environment:
        number = threads(usable_cores(), os.cpu_count() or 1, os.getloadavg()[0])
        if number is not None:
            environment[_NUMBER] = str(number)


def threads(usable: int, cores: int, load: float) -> int | None:
    """One where others use the cores or there are only two, as many as a quota or affinity leaves, else None.

    None leaves the choice to the libraries. Two threads that sleep for each other are slower than one: the embedded
    voice on two quiet cores has a real-time factor of 0.15 so, 0.085 with one. Spinning has 0.066, beside others 0.55.
    """
    if usable <= _FEW_CORES or load > _BUSY_SHARE * cores:
        return 1
    return usable if usable < cores else None
