"""Who agreed to what: reads landing/consents.jsonl and says which consent, if any, covers a recording for a use.

Default deny: what no valid consent covers may not be used, a line that cannot be read covers nothing, and neither does
a pattern where the metadata of a recording cannot be read. Also that a model whose data were withdrawn is not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import chain
from pathlib import Path

from pipeline.rights.consent import Consent, explain
from pipeline.rights.patterns import composed, pattern_flaw
from pipeline.text.printable import in_a_line
from pipeline.text.strict_json import parse_object

CONSENTS_FILE = "consents.jsonl"
METADATA_PROBLEM = "metadata_problem"
"""The column of a recording's metadata that says what in them cannot be read; with it no pattern covers it."""
TAINTED = "tainted"
_CARD_REACH = 4
_WHOLE_ID = re.compile(r"""consent_id["']?\s*:\s*["']([^"']+)["']""")
_TORN_ID = re.compile(r"""consent_id["']?\s*:\s*["']([^"']+)$""")
_WORD = re.compile(r"""[^\s"',:{}\[\]]+""")
_QUOTED = re.compile(r"""["']([^"']+)["']""")
_TERMS = ("recordings", "speaker", "scopes", "valid_from", "valid_until")


class TaintedModel(Exception):
    """The model learned from what was withdrawn since; the message says what to do."""


def read_consents(file: Path) -> tuple[list[Consent], list[str]]:
    """The consents of a JSON Lines file, and a sentence with file and line number for each line that is wrong or odd.

    A later line about the same consent_id takes the place of the earlier one; if it is wrong, neither holds. One that
    was revoked stays so. A missing file holds no consents.
    """
    reading = _read(file)
    return list(reading.consents.values()), reading.problems


def _read(file: Path) -> _Reading:
    reading = _Reading(file.name)
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except FileNotFoundError:
        return reading
    except OSError as error:
        words = f"{file.name}: cannot be read: {error.strerror}; until then nobody has agreed to anything"
        reading.problems.append(words)
        return reading
    for number, line in enumerate(lines, start=1):
        if line.strip():
            reading.read(number, line)
    return reading


def unreadable_ids(file: Path) -> set[str]:
    """Ids, as they are compared, of consents about which the last line cannot be read."""
    return _read(file).unreadable


class _Reading:
    """The consents that hold after the lines read so far, by their id as it is compared."""

    def __init__(self, file: str) -> None:
        self.consents: dict[str, Consent] = {}
        self.problems: list[str] = []
        self.unreadable: set[str] = set()
        self._file = file
        self._latest: dict[str, tuple[int, Consent]] = {}
        self._spelt: dict[str, str] = {}

    def read(self, number: int, line: bytes) -> None:
        try:
            consent = Consent.model_validate(parse_object(line.decode("utf-8")))
        except UnicodeDecodeError:
            self._refuse(number, line, "is not JSON in UTF-8")
        except ValueError as error:
            self._refuse(number, line, explain(error))
        else:
            self._accept(number, consent)

    def _accept(self, number: int, consent: Consent) -> None:
        name = composed(consent.consent_id)
        before = self._latest.get(name)
        if before is not None:
            consent = self._replacing(number, consent, *before)
        spelt = self._spelt.setdefault(name.casefold(), name)
        if spelt != name:
            self._say(number, f"consent {name} differs from consent {spelt} by capitals alone; both hold")
        flaws = [*map(pattern_flaw, consent.recordings), consent.evidence_flaw()]
        for flaw in filter(None, flaws):
            self._say(number, f"consent {name}: {flaw}")
        # Taken out first: it is asked in the order of the lines.
        self.consents.pop(name, None)
        self.consents[name] = consent
        self.unreadable.discard(name)
        self._latest[name] = number, consent

    def _replacing(self, number: int, consent: Consent, line: int, earlier: Consent) -> Consent:
        """The consent as it holds after an earlier line about it; says so if it is for something else now."""
        if earlier.revoked is not None and consent.revoked is None:
            words = f"was revoked on {earlier.revoked} in line {line} and stays so"
            self._say(number, f"consent {consent.consent_id} {words}; a new agreement takes a new consent_id")
            return consent.model_copy(update={"revoked": earlier.revoked})
        changes = [
            f"{term} were {_shown(getattr(earlier, term))}, are {_shown(getattr(consent, term))}"
            for term in _TERMS
            if getattr(earlier, term) != getattr(consent, term)
        ]
        if changes and consent.revoked is None:
            words = f"takes the place of line {line} about consent {consent.consent_id}: {'; '.join(changes)}"
            self._say(number, f"{words}; if both are agreed to, give each a consent_id of its own")
        return consent

    def _refuse(self, number: int, line: bytes, wrong: str) -> None:
        """Nothing holds that a line which cannot be read may be about: it may be a revocation."""
        text = line.decode("utf-8", "replace")
        about = self._ids_in(text)
        for name in about:
            self.consents.pop(name, None)
        whole = _WHOLE_ID.search(text)
        self.unreadable |= about | ({composed(whole[1])} if whole else set())
        words = f"{wrong}; until it is mended it covers nothing"
        if about:
            words += f", nor does an earlier line about {', '.join(sorted(about))}"
        elif whole is None:
            words += ". WHICH CONSENT IT IS ABOUT CANNOT BE READ: if it revokes one, that one still holds"
        self._say(number, words)

    def _ids_in(self, text: str) -> set[str]:
        """Known consents whose id stands in a line that is no JSON, or begins with the id at which it is cut off."""
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text.rstrip("\r\n\ufffd"))
        words = {composed(word) for pattern in (_WORD, _QUOTED) for word in pattern.findall(text)}
        torn = _TORN_ID.search(text)
        cut = {name for name in self.consents if torn and name.startswith(composed(torn[1]))}
        return (words & self.consents.keys()) | cut

    def _say(self, number: int, words: str) -> None:
        self.problems.append(in_a_line(f"{self._file}, line {number}: {words}", 1000))


def _shown(value: object) -> str:
    return (", ".join(map(str, value)) if isinstance(value, tuple) else str(value or "")) or "nothing"


def resolve(
    consents: Iterable[Consent], source: str, metadata: Mapping[str, str], scope: str = "asr", on: date | None = None
) -> tuple[str | None, str]:
    """The id of the consent that covers `source` for `scope` on a day (today), or None, and why.

    A consent that the metadata name as `consent_id` is the only one asked. Otherwise the first of those whose patterns
    or speaker match and that allow it; none where metadata cannot be read, for they may name another.
    """
    on = on or date.today()
    if metadata.get(METADATA_PROBLEM):
        return (
            None,
            f"its metadata cannot be read: {metadata[METADATA_PROBLEM]}; mend that, no pattern covers it until then",
        )
    named = composed(metadata.get("consent_id", ""))
    if named:
        consent = next((one for one in consents if composed(one.consent_id) == named), None)
        if consent is None:
            return None, f"its metadata name consent {named}, which is not in {CONSENTS_FILE}"
        elsewhere = consent.excludes(source, metadata)
        if elsewhere is not None:
            return None, f"its metadata name consent {named}, which is for {elsewhere}"
        refusal = consent.refusal(scope, on)
        return (None, refusal) if refusal else (consent.consent_id, f"named in its metadata, allows {scope}")
    refusals = []
    for consent in consents:
        if not consent.covers(source, metadata):
            continue
        refusal = consent.refusal(scope, on)
        if refusal is None:
            return consent.consent_id, f"matches consent {consent.consent_id}, which allows {scope}"
        refusals.append(refusal)
    return None, "; ".join(refusals) or f"no consent in {CONSENTS_FILE} covers it"


def refuse_tainted(folder: Path, allow: bool = False) -> None:
    """Raises TaintedModel if the card of the model in `folder` says that it is tainted, unless that is allowed.

    The card may lie some folders above, beside all checkpoints of a training, also where a link leads. A folder
    without a card, or a name that is no folder, has no such mark. A card that cannot be read is no proof of innocence:
    it is refused too.
    """
    if allow:
        return
    places = [[place, *place.parents][:_CARD_REACH] for place in (folder.absolute(), folder.resolve())]
    for card in dict.fromkeys(place / "card.json" for place in chain(*places)):
        if not card.is_file():
            continue
        try:
            facts = json.loads(card.read_bytes())
        except (OSError, ValueError) as error:
            raise TaintedModel(f"{card}: cannot be read ({error}), so nobody knows whether it may be used") from None
        if isinstance(facts, dict) and facts.get("status") == TAINTED:
            why = facts.get("status_reason") or "what it learned from was withdrawn"
            raise TaintedModel(f"{folder} is tainted: {why}; train it anew, or give --allow-tainted if you may use it")
