"""Hands segments out in a format: chooses, checks, writes, goes on where it was killed, and logs what went to whom."""

from __future__ import annotations

import errno
import fcntl
import importlib.metadata
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.exchange.exports import EXPORTS, Clip, Encoding, ExportFormat, Options
from pipeline.handover.choice import Choice, ExportError, choose
from pipeline.handover.clips import Form, Script, clips_of
from pipeline.handover.description import facts_of, title_of
from pipeline.handover.manifest import BEGUN, begin, write_manifest
from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.rows import Row
from pipeline.rights import audit
from pipeline.settings import Settings

Progress = Callable[[int, int], None]
PURPOSES = ("asr", "tts_training", "publication")
MAY_NOT_FIT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LOCK = ".export.lock"
_FLAC_SHARE = 0.6
"""Size of FLAC over that of 16-bit samples, for saying beforehand whether it fits."""


@dataclass(frozen=True)
class Handover:
    """What was handed out: its id in the audit log, its folder, files, manifest, and what was chosen and refused."""

    handover_id: str
    out: Path
    files: tuple[Path, ...]
    manifest: Path
    choice: Choice

    @property
    def clips(self) -> int:
        return len(self.choice.rows)

    @property
    def seconds(self) -> float:
        return sum(row["duration"] for row in self.choice.rows)


def export(
    settings: Settings,
    format: str,
    out: Path,
    purpose: str,
    *,
    where: str = "",
    segment_ids: Collection[str] | None = None,
    release: str = "",
    frozen: Mapping[str, Row] | None = None,
    to: str = "",
    encoding: Encoding | None = None,
    sample_rate: int | None = None,
    script: Script = "as-written",
    punctuation: bool = True,
    commercial: bool = False,
    progress: Progress = lambda done, total: None,
    waiting: Callable[[str], None] = lambda whom: None,
) -> Handover:
    """Write the segments for which `where` holds (or those named) below `out` as `format` has it.

    Consents are asked for `purpose`, and for `commercial` use if it is; `to` says who gets it. `frozen` are rows of the
    release `release` by segment_id, which are written as they were (see `choice.choose`). The same call after an
    interruption goes on. Raises ExportError, and audit.AuditBroken before anything is written.
    """
    entry = _entry(format, purpose, sample_rate)
    out = _folder(settings, out)
    form = Form(encoding or entry.encoding or "flac", sample_rate, script, punctuation)
    with writing(settings.root, waiting), _alone(out):
        choice = choose(settings, purpose, where, segment_ids, entry.columns, frozen=frozen, commercial=commercial)
        if not choice.rows:
            raise ExportError(_nothing(choice, purpose))
        wish = {"format": format, "purpose": purpose, "to": to, "script": script, "sample_rate": sample_rate}
        wish |= {"encoding": form.encoding if entry.encoding else None, "version": _version()}
        wish |= ({"release": release} if release else {}) | ({"commercial": True} if commercial else {})
        wish |= {} if punctuation else {"punctuation": False}
        begun = begin(out, wish, choice.rows)
        if entry.encoding:
            _check_space(out, choice, form)
        recordings = sorted({row["recording_id"] for row in choice.rows})
        speakers = sorted({row["speaker_id"] for row in choice.rows if row["speaker_id"]})
        known = {"recordings": recordings, "speakers": speakers, "clips": len(choice.rows), "out": str(out)}
        if begun.fresh:
            # Logged before anything is there that may be handed on.
            audit.append(settings.root, "export.begin", begun.handover_id, wish | {"where": where} | known)
        options = Options(form.encoding, release or title_of(choice), facts_of(settings, choice, wish))
        files = _write(settings, entry, out, options, choice, form, progress)
        manifest = write_manifest(settings, out, begun, wish | {"where": where}, choice, options.facts, files)
        if begun.fresh or not begun.finished:
            done = {"to": to, "manifest_sha256": manifest.sha256, "files": len(files), "clips": len(choice.rows)}
            audit.append(settings.root, "export.done", begun.handover_id, done)
    return Handover(begun.handover_id, out, tuple(files), manifest.file, choice)


def _entry(format: str, purpose: str, sample_rate: int | None) -> ExportFormat:
    if format not in EXPORTS:
        raise ExportError(f"there is no format {format!r}; choose one of {', '.join(EXPORTS)}")
    if purpose not in PURPOSES:
        raise ExportError(f"there is no purpose {purpose!r}; choose one of {', '.join(PURPOSES)}")
    if sample_rate is not None and not 8_000 <= sample_rate <= 192_000:
        raise ExportError(f"a sample rate of {sample_rate} Hz is not written; choose one of 8000 to 192000")
    return EXPORTS[format]


def _folder(settings: Settings, out: Path) -> Path:
    """`out` as an absolute path that lists can hold, outside of what the pipeline reads."""
    if not settings.lake.is_dir():
        raise ExportError(f"{settings.lake}: no lake yet; run `fangyan run` first, it makes one")
    out = out.absolute()
    try:
        str(out).encode("utf-8")
    except UnicodeEncodeError:
        raise ExportError(f"{str(out)!a} is no UTF-8 name, and lists name their files; choose another") from None
    if not str(out).isprintable() or "|" in str(out):
        raise ExportError(f"{str(out)!r} has a control character or | in it, which lists cannot hold; choose another")
    for taken in (settings.landing, settings.lake):
        if out.resolve().is_relative_to(taken.resolve()):
            raise ExportError(f"{out} lies in {taken}, which the pipeline reads; choose a folder outside of it")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{out} cannot be made: {error.strerror}; choose another folder") from None
    return out


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    handle = os.open(out / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"another export is writing to {out}; wait for it, or choose another folder") from None
        yield
    finally:
        if not (out / BEGUN).exists():
            # Nothing was begun: no trace is left.
            (out / _LOCK).unlink(missing_ok=True)
            with suppress(OSError):
                out.rmdir()
        os.close(handle)


def _nothing(choice: Choice, purpose: str) -> str:
    reasons = [f"{one.source or one.recording_id}: {one.reason}" for one in choice.refused[:5]]
    reasons += [f"{count} segments: {reason}" for reason, count in choice.left_out.most_common(5)]
    if not reasons:
        return "no segment fits the condition; `fangyan sql` answers the same conditions over the view segments"
    return f"nothing may be handed out for {purpose}: {'; '.join(reasons)}"


def _check_space(out: Path, choice: Choice, form: Form) -> None:
    share = _FLAC_SHARE if form.encoding == "flac" else 1.0
    rates = ((row["duration"], form.sample_rate or row["sample_rate"]) for row in choice.rows)
    needed = round(sum(duration * rate * 2 * share for duration, rate in rates))
    there = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    free = shutil.disk_usage(out).free
    if needed - there > free:
        raise ExportError(
            f"{out}: about {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; choose another folder, "
            "a lower --sample-rate or fewer segments"
        )


def _write(
    settings: Settings,
    entry: ExportFormat,
    out: Path,
    options: Options,
    choice: Choice,
    form: Form,
    progress: Progress,
) -> list[Path]:
    total, given = len(choice.rows), 0

    def counted(clips: Iterable[Clip]) -> Iterator[Clip]:
        nonlocal given
        for clip in clips:
            yield clip
            given += 1
            progress(given, total)

    clips = clips_of(Lake(settings.lake), choice.rows, form, settings.training_set)
    try:
        return entry.writer(out, options).write(counted(clips))
    except OSError as error:
        where = error.filename or out
        if error.errno in MAY_NOT_FIT:
            words = f"{error.strerror} at {where} after {given} of {total} segments; make room"
        else:
            words = f"{where}: {error.strerror or error} after {given} of {total} segments; mend that"
        raise ExportError(f"{words} and give the same command again, it goes on from there") from None


def _version() -> str:
    return importlib.metadata.version("fangyan")
