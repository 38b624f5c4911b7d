"""Names that may mean a file called otherwise: in other capitals, without its ending, with other folders before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

from pipeline.rights.patterns import composed

_Name = tuple[list[str], str, str]


class NearNames:
    """Names with what is to be said where one of them is near to a file's."""

    def __init__(self) -> None:
        # By the last part and the folder before it, of which a large table has few; and by the last part alone.
        self._in_folder: dict[tuple[str, str], list[_Name]] = defaultdict(list)
        self._names: dict[str, list[_Name]] = defaultdict(list)

    def add(self, name: str, target: str, words: str) -> None:
        """`target` is handed back with `words`."""
        *folders, last = _parts(name) or [""]
        for key in {last, PurePosixPath(last).stem}:
            self._names[key].append((folders, target, words))
            self._in_folder[key, folders[-1] if folders else ""].append((folders, target, words))

    def near(self, path: str) -> Iterator[tuple[str, str]]:
        """Target and words of names that may mean `path`: the same but for capitals, ending, and folders left out."""
        if not self._names:
            return
        *folders, last = _parts(path)
        for key in {last, PurePosixPath(last).stem}:
            found = (
                self._in_folder.get((key, folders[-1]), []) + self._in_folder.get((key, ""), []) if folders else None
            )
            for others, target, words in self._names.get(key, []) if found is None else found:
                common = min(len(folders), len(others))
                if folders[len(folders) - common :] == others[len(others) - common :]:
                    yield target, words


def _parts(name: str) -> list[str]:
    plain = composed(name).casefold().replace("\\", "/").lstrip("#").strip(" \t\"'\u200b\ufeff")
    return [part for part in plain.split("/") if part not in ("", ".", "..")]
