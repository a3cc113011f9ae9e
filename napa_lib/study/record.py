"""The learner's progress record: a small JSON file at home, never sent anywhere, never in a lesson's way.

`NAPA_PROGRESS=off` keeps none; `NAPA_PROGRESS=<file>` keeps it in that file. The default is `~/.napa/progress.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
from datetime import date
from pathlib import Path

from napa_lib.files import write_text
from napa_lib.study.exercises import SYMBOLS, WORDS
from napa_lib.study.plans import available, load_plan


def record_path() -> Path | None:
    """Where the record lies, or None if the learner keeps none or has no home on this machine."""
    setting = os.environ.get("NAPA_PROGRESS", "")
    if setting.lower() in ("off", "0", "no"):
        return None
    if setting:
        return Path(setting)
    try:
        return Path.home() / ".napa" / "progress.json"
    except RuntimeError:  # no HOME, and no entry for this user: as in many a container
        return None


def read_record() -> dict[str, dict]:
    """The record as `{"01.2": {"status": "right", "attempts": 3, "day": "2025-01-31"}}`; empty if none can be read."""
    path = record_path()
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    pairs = entries.items() if isinstance(entries, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, dict)}


def remember(identifier: str, status: str) -> None:
    """Note the outcome of an attempt; once right, an exercise stays right. Does nothing where it cannot write."""
    path = record_path()
    if path is None or status == "untouched":
        return
    record = read_record()
    entry = record.get(identifier, {})
    attempts = entry.get("attempts", 0)
    record[identifier] = {
        "status": "right" if "right" in (status, entry.get("status")) else status,
        "attempts": attempts + 1 if isinstance(attempts, int) else 1,
        "day": date.today().isoformat(),
    }
    with contextlib.suppress(OSError):  # a full or read-only disk must not disturb a lesson
        write_text(path, json.dumps(record, indent=1, sort_keys=True))


def progress() -> None:
    """Print which exercises are done, lesson by lesson."""
    record = read_record()
    for number in available():
        plan = load_plan(number)
        states = {e.id: record.get(e.id, {}).get("status", "untouched") for e in plan.exercises}
        done = sum(state == "right" for state in states.values())
        print(f"{number} {plan.title}: {done} of {len(states)} exercises done")
        for exercise in plan.exercises:
            state = states[exercise.id]
            print(f"   {SYMBOLS.get(state, '?')} {exercise.id} {exercise.title}: {WORDS.get(state, state)}")
    path = record_path()
    print(f"Kept in {path}" if path else "No record is kept (NAPA_PROGRESS=off, or no home folder).")
