"""What a team's own labelled recordings say of its models, and where that is kept: `fangyan calibrate`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.labelled_folder import LONGEST_SECONDS, labelled_clips
from cli.terminal import Config, read_settings, say, stop, warn
from pipeline.errors import ModelUnavailable
from pipeline.project import PROJECT
from pipeline.recognition.labelled_clip import LabelledClip, TooLittle
from pipeline.settings import Settings, checkpoint_path

_SHOWN = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def calibrate(
    folder: Annotated[Path, typer.Argument(help="labelled recordings, laid out as a landing folder")],
    part: Annotated[list[str] | None, typer.Option(help="align, dialect, text, vote; repeat for several; all")] = None,
    wrong: Annotated[float, typer.Option(min=0.001, max=0.5, help="share of wrong texts that may pass")] = 0.05,
    error: Annotated[float, typer.Option(min=0.0, max=1.0, help="characters that may be wrong in kept text")] = 0.3,
    write: Annotated[bool, typer.Option(help="write what is found where the configuration looks for it")] = False,
    config: Config = None,
) -> None:
    """Learn from labelled recordings what may be trusted, and print errors before and after.

    align: the score from which an alignment is trusted. dialect: how sure the identifier is. text: the
    log-probability from which recognised text is kept. vote: the confidence of
    recognised characters and texts, for [transcribe] calibration.
    """
    settings = read_settings(config, None)
    if unknown := sorted(set(part or ()) - set(_PARTS)):
        stop(f"--part {unknown[0]}: there are {', '.join(_PARTS)}")
    clips = labelled_clips(folder, settings)
    if not clips:
        stop(f"{folder}: no recording or line of up to {LONGEST_SECONDS:g} s has a transcript")
    refused = []
    # The vote comes last: its file names the checkpoints that thresholds are written beside.
    for name, calibrated in _PARTS.items():
        if part and name not in part:
            continue
        try:
            calibrated(settings, clips, write, error if name == "text" else wrong)
        except (TooLittle, ModelUnavailable) as why:
            refused.append(f"{name}: {why}")
    for words in refused:
        warn(words)
    if refused:
        raise typer.Exit(1)


def _align(settings: Settings, clips: Sequence[LabelledClip], write: bool, wrong: float) -> None:
    from pipeline.recognition import thresholds
    from pipeline.recognition.aligners import bounds_of, open_aligner
    from pipeline.recognition.gate_calibration import check, fits

    check(clips, wrong)
    found = fits(open_aligner(settings.align), clips)
    bound, now = found.bound(wrong), bounds_of(settings.align).min_score
    table = Table("min_score", "true texts that pass", "wrong texts that pass", "")
    for value in sorted({*_SHOWN, bound, now}):
        true, false = found.passed(value)
        mark = ", ".join(word for word, one in (("now", now), ("found", bound)) if one == value)
        table.add_row(f"{value:.2f}", f"{true:.0%}", f"{false:.0%}", mark)
    Console().print(table)
    words = f"{settings.align.checkpoint} ({settings.align.kind}): {len(found.true)} true texts, {len(found.wrong)}"
    say(f"{words} wrong ones, AUC {found.auc:.3f}; [align] min_score = {bound:.2f}")
    if write:
        say(f"written: {thresholds.store(settings.align.checkpoint, 'align', {'min_score': round(bound, 2)})}")


def _dialect(settings: Settings, clips: Sequence[LabelledClip], write: bool, wrong: float) -> None:
    from pipeline.recognition import dialect_calibration as calibrating
    from pipeline.recognition import thresholds
    from pipeline.recognition.dialect_identifier import open_identifier, temperature

    own = settings.dialect
    if not own.checkpoint:
        say('dialect: [dialect] checkpoint = "": no segment is judged')
        return
    now = temperature(own)
    identifier = open_identifier(own.model_copy(update={"temperature": 1.0}))
    found = calibrating.fitted(calibrating.judged(identifier, clips, own.window_seconds), len(clips), now)
    words = f"{own.checkpoint}: {found.clips} clips ({found.left_out} left out), {found.accuracy:.0%} heard as labelled"
    say(f"{words}; calibration error {found.before:.1%} at temperature {now:g}, {found.after:.1%} on held-out folds")
    say(f"[dialect] temperature = {found.temperature:g}")
    if write:
        say(f"written: {thresholds.store(own.checkpoint, 'dialect', {'temperature': found.temperature})}")


def _text(settings: Settings, clips: Sequence[LabelledClip], write: bool, error: float) -> None:
    from pipeline.recognition import asr_filters, recognizers, text_calibration, thresholds

    own = settings.transcribe
    opened: dict[str, Any] = {}
    refused = []
    table = Table("dialect", "clips", "min_avg_logprob", "clips kept", "wrong in kept text", "right characters kept")
    for code, each in _by_dialect(clips).items():
        # The first recogniser's bound decides.
        one = next(iter(recognizers.hearing(code, own.used)), None)
        if one is None:
            continue
        if one.label not in opened:
            opened[one.label] = recognizers.open_recognizer(one)
        try:
            found = text_calibration.heard(opened[one.label], each, own.batch_size)
            bound = text_calibration.bound(found, error)
        except TooLittle as few:
            refused.append(f"{code}: {few}")
            continue
        now = asr_filters.bounds(own, one.checkpoint, code, one.kind).min_avg_logprob
        for value, mark in ((now, "now"), (bound, "found")):
            if value is None:
                table.add_row(code, str(len(found)), f"none keeps 5 clips under {error:.0%}", "", "", "")
                continue
            kept = text_calibration.kept(found, value)
            rates = (f"{share:.0%}" for share in (kept.clips, kept.error, kept.right))
            table.add_row(code, str(len(found)), f"{value:.2f} ({mark})", *rates)
        if write and bound is not None:
            say(f"written: {thresholds.store(one.checkpoint, 'transcribe', {'min_avg_logprob': bound}, code)}")
    if table.row_count:
        Console(width=140).print(table)
    if refused:
        raise TooLittle("; ".join(refused))


def _by_dialect(clips: Sequence[LabelledClip]) -> dict[str, list[LabelledClip]]:
    found: dict[str, list[LabelledClip]] = defaultdict(list)
    for clip in clips:
        found[clip.dialect].append(clip)
    return found


def _vote(settings: Settings, clips: Sequence[LabelledClip], write: bool, wrong: float) -> None:
    from pipeline.recognition import calibration, recognizers, vote_calibration

    own = settings.transcribe
    if write and not own.calibration:
        raise TooLittle('name the file to write: [transcribe] calibration = "calibration.json"')
    by_dialect = _by_dialect(clips)
    opened = {each.label: recognizers.open_recognizer(each) for each in own.used}
    used = {code: recognizers.hearing(code, own.used) for code in by_dialect}
    labelled = {
        code: vote_calibration.heard([opened[each.label] for each in used[code]], each, own.batch_size)
        for code, each in by_dialect.items()
        if used[code]
    }
    groups = {code: [clip.group for clip in by_dialect[code]] for code in labelled}
    file = PROJECT / checkpoint_path(own.calibration) if own.calibration else None
    done: dict[str, Any] = {}
    refused = []
    table = Table("dialect", "clips", "speakers", "recognisers", "by heads", "vote", *_ERRORS, "doubtful fifth")
    for code, each in labelled.items():
        identity = [recognizers.calibrated_identity(one) for one in used[code]]
        alike = {
            other: list(zip(groups[other], labelled[other], strict=True))
            for other in labelled
            if other != code and used[other] == used[code] and other.partition("-")[0] == code.partition("-")[0]
        }
        earlier = calibration.read(file, code, identity) if file is not None and file.is_file() else None
        about = f"{len(each)} labelled clips of {len(set(groups[code]))} speakers or recordings"
        try:
            found = vote_calibration.fitted(each, groups[code], about, alike, earlier)
        except TooLittle as error:
            refused.append(f"{code}: {error}")
            continue
        done[code] = (identity, found.known)
        table.add_row(code, str(found.clips), str(found.groups), *_figures(found))
    if done:
        Console(width=140).print(table)
        say("Errors of characters; calibration errors before > after; all but that before on held-out folds.")
        if write and file is not None:
            calibration.write(file, done, keep_others=True)
            say(f"written: {file}")
    if refused:
        raise TooLittle("; ".join(refused))


_ERRORS = ("characters' confidence", "texts' confidence")


def _figures(found: Any) -> list[str]:
    after, before = found.after, found.before or (None, None)
    errors = [
        f"{'none' if one is None else f'{one:.1%}'} > {two:.1%}"
        for one, two in zip(before, (after.character_error, after.segment_error), strict=True)
    ]
    alone = ", ".join(f"{rate:.1%}" for rate in after.recognisers)
    return [alone, f"{after.by_heads:.1%}", f"{after.calibrated:.1%}", *errors, f"{after.doubtful_share:.0%}"]


_PARTS: dict[str, Callable[[Settings, Sequence[LabelledClip], bool, float], None]] = {
    "align": _align,
    "dialect": _dialect,
    "text": _text,
    "vote": _vote,
}
