"""What a download has fetched so far, a JSON line a file, so that a run cut short loses nothing."""

import json
from pathlib import Path
from typing import Any

from revisit import files

Entry = dict[str, Any]


class Journal:
    """Entries by path relative to ``folder``, kept in ``journal.jsonl`` there.

    The first line is the digest of the settings that the files depend on: under others they are stale.
    An entry has ``source``, what it was made from, and, where there is a file, ``sha256``. One that is
    ``warped`` gets the digest of the ``code`` that made its pixels, and is stale under another; what was
    copied as it was is not.
    """

    def __init__(self, folder: Path, settings: str, code: str) -> None:
        self.folder, self.path, self.settings, self.code = folder, folder / "journal.jsonl", settings, code
        self.entries: dict[str, Entry] = {}

    def resume(self, sources: dict[str, str]) -> dict[str, Entry]:
        """Entries of ``sources`` (path: source) whose files are whole; other files it knows are removed.

        Lines of another layout count for nothing.
        """
        header, *lines = self._lines() or [{}]
        known = {line.pop("path"): line for line in lines if "path" in line}
        current = header.get("settings") == self.settings
        for path, entry in known.items():
            is_of_now = current and path in sources and entry.get("source") == sources[path]
            if is_of_now and entry == self._by_now(entry) and self._is_whole(path, entry):
                self.entries[path] = entry
            else:
                files.remove(self.folder / path)
        self.write()
        return dict(self.entries)

    def add(self, path: str, entry: Entry) -> None:
        self.entries[path] = entry = self._by_now(entry)
        with files.writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line({"path": path, **entry}))

    def write(self) -> None:
        """Write all lines by path, as threads end in any order."""
        lines = [
            {"settings": self.settings},
            *({"path": path, **self.entries[path]} for path in sorted(self.entries)),
        ]
        files.write_text(self.path, "".join(map(_line, lines)))

    def _by_now(self, entry: Entry) -> Entry:
        """An entry as the code of now makes it."""
        return {**entry, "code": self.code} if entry.get("warped") else entry

    def _is_whole(self, path: str, entry: Entry) -> bool:
        file = self.folder / path
        return "sha256" not in entry or (file.is_file() and files.sha256(file) == entry["sha256"])

    def _lines(self) -> list[Entry]:
        lines: list[Entry] = []
        if self.path.is_file():
            for text in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    lines.append(json.loads(text))
                except json.JSONDecodeError:  # the line that a killed run was writing
                    break
        return lines


def _line(entry: Entry) -> str:
    return json.dumps(entry, sort_keys=True) + "\n"
