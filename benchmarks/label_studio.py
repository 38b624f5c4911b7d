"""Holds exported tasks against Label Studio's own library: `python -m benchmarks.label_studio tasks.json`.

Run it with a Python that has `label-studio-sdk`, which is not among our dependencies; nothing else of ours is needed.
The labelling interface is read from the file beside the tasks, `tasks.xml`.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main() -> int:
    """Print how many tasks, predictions, and predictions taken as annotations are valid; 1 if any is not."""
    file = Path(sys.argv[1])
    interface = importlib.import_module("label_studio_sdk.label_interface").LabelInterface(
        file.with_suffix(".xml").read_text(encoding="utf-8")
    )
    interface.validate()
    tasks = json.loads(file.read_text(encoding="utf-8"))
    flaws: list[str] = []
    for number, task in enumerate(tasks):
        if not interface.validate_task({"data": task["data"]}):
            flaws.append(f"task {number}: its data do not fit the interface")
        for prediction in task["predictions"]:
            flaws += [
                f"task {number}: {flaw}" for flaw in interface.validate_prediction(prediction, return_errors=True)
            ]
            if not interface.validate_annotation({"result": prediction["result"]}):
                flaws.append(f"task {number}: as an annotation it does not fit the interface")
    print(f"{len(tasks)} tasks, {len(flaws)} flaws")
    print("\n".join(flaws[:20]), end="\n" if flaws else "")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
