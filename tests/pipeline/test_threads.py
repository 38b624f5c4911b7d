"""Threads wait without spinning, and there is one where others use the cores."""

from __future__ import annotations

from pipeline.threads import share_cores, threads


def test_threads_wait_without_spinning() -> None:
    environment: dict[str, str] = {}
    share_cores(environment)
    assert (environment["OMP_WAIT_POLICY"], environment["GOMP_SPINCOUNT"]) == ("PASSIVE", "0")


def test_what_a_person_has_set_stays() -> None:
    environment = {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "7"}
    share_cores(environment)
    assert (environment["OMP_WAIT_POLICY"], environment["OMP_NUM_THREADS"]) == ("ACTIVE", "7")


def test_one_thread_where_others_use_the_cores() -> None:
    assert threads(usable=8, cores=8, load=13.0) == 1
    assert threads(usable=8, cores=8, load=11.0) is None
    assert threads(usable=2, cores=2, load=0.1) == 1
    assert threads(usable=1, cores=8, load=0.1) == 1
    assert threads(usable=4, cores=8, load=0.1) == 4
