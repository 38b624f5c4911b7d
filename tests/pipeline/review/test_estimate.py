"""The interval of a character error rate: reviewers of known error, counts by hand, and what it does at the ends."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality import made_up
from pipeline.review.estimate import Judged, Stratum, interval, times_as_many


@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("kind", ["alike", "recordings", "failures"])
def test_the_interval_covers_the_truth_in_93_of_100_corpora(kind: str, rate: float) -> None:
    generator = np.random.default_rng(5)
    for share in (0.1, 0.7):
        assert sum(made_up(generator, kind, rate, share) for _ in range(100)) >= 93


def test_the_rate_of_unequally_sampled_strata_is_weighted_by_their_text() -> None:
    clean = Stratum(90, 900, [Judged(0, 10, 10)] * 3)
    wrong = Stratum(10, 100, [Judged(5, 10, 10)] * 5)
    error = interval([clean, wrong])
    assert error is not None
    assert error.value == pytest.approx(50 / 1000)
    assert (error.errors, error.said, error.reviewed, error.segments) == (25, 80, 8, 100)


def test_no_error_found_is_not_certain_and_a_corpus_heard_whole_is() -> None:
    some = interval([Stratum(1000, 12_000, [Judged(0, 12, 12)] * 100)])
    assert some is not None
    assert some.value == some.low == 0
    # 35 segments that are wrong as a whole escape a tenth with probability 0.9 ** 35 = 0.025.
    assert some.high == pytest.approx(0.035, rel=0.05)
    whole = interval([Stratum(3, 30, [Judged(1, 10, 10), Judged(0, 10, 10), Judged(0, 10, 10)])])
    assert whole is not None
    assert whole.low == whole.value == whole.high == pytest.approx(1 / 30)


def test_the_errors_that_were_found_are_the_least_there_are() -> None:
    judged = [Judged(2, 10, 10), *[Judged(0, 10, 10)] * 17]
    error = interval([Stratum(20, 200, judged)])
    assert error is not None
    assert error.low >= 2 / 200


def test_strata_without_a_reviewed_segment_are_said_to_be_left_out() -> None:
    error = interval([Stratum(10, 100, [Judged(1, 10, 10)] * 4), Stratum(30, 300, [])])
    assert error is not None
    assert error.covered == 0.25
    assert interval([Stratum(30, 300, [])]) is None
    assert times_as_many([Stratum(30, 300, [])], 0.005) is None


def test_as_many_more_segments_as_are_named_bring_the_interval_to_the_width() -> None:
    generator = np.random.default_rng(3)
    said = generator.integers(8, 30, 4000)
    wrong = generator.binomial(said, 0.03)
    judged = [Judged(e, n, n) for e, n in zip(wrong.tolist(), said.tolist(), strict=True)]
    few = Stratum(4000, float(said.sum()), judged[:60])
    times = times_as_many([few], 0.005)
    assert times is not None
    assert times > 1
    more = interval([Stratum(4000, float(said.sum()), judged[: round(60 * times)])])
    assert more is not None
    assert more.half_width == pytest.approx(0.005, rel=0.25)
    assert times_as_many([Stratum(4000, float(said.sum()), judged[:2000])], 0.005) == 1
