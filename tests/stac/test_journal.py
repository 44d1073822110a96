"""The journal of a download: what may be kept after an interruption, and what may not."""

from pathlib import Path

from revisit.files import sha256
from revisit.stac.journal import Journal


def made(folder: Path, settings: str = "a") -> Journal:
    """A journal of two files and of one asset that held no data."""
    journal = Journal(folder, settings, "code")
    journal.resume({})
    for name in ("b/one.tif", "a/two.tif"):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
        journal.add(name, {"source": f"https://x/{name}", "sha256": sha256(file), "valid": True})
    journal.add("c/empty.tif", {"source": "https://x/c", "valid": False})
    return journal


SOURCES = {
    "b/one.tif": "https://x/b/one.tif",
    "a/two.tif": "https://x/a/two.tif",
    "c/empty.tif": "https://x/c",
}


def test_whole_files_are_kept(tmp_path: Path) -> None:
    """A rerun finds everything, in whatever order it was fetched; the written order is fixed."""
    made(tmp_path).write()
    assert set(Journal(tmp_path, "a", "code").resume(SOURCES)) == set(SOURCES)
    paths = [
        line.partition('"path": "')[2][:1] for line in (tmp_path / "journal.jsonl").read_text().splitlines()
    ]
    assert paths == ["", "a", "b", "c"]


def test_damaged_absent_and_moved_files_are_fetched_anew(tmp_path: Path) -> None:
    """A changed byte, a deleted file or another source makes an entry void, and its file goes."""
    made(tmp_path)
    (tmp_path / "b/one.tif").write_text("damaged")
    (tmp_path / "a/two.tif").unlink()
    assert set(Journal(tmp_path, "a", "code").resume({**SOURCES, "c/empty.tif": "https://y"})) == set()
    assert not (tmp_path / "b/one.tif").exists()


def test_other_settings_make_all_stale(tmp_path: Path) -> None:
    """Clips of another bbox must not pass for this one's."""
    made(tmp_path)
    assert Journal(tmp_path, "b", "code").resume(SOURCES) == {}
    assert not (tmp_path / "a/two.tif").exists()


def test_a_line_cut_short_is_dropped(tmp_path: Path) -> None:
    """A killed run leaves half a line; what came before it counts."""
    made(tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_text(path.read_text()[:-20])
    assert set(Journal(tmp_path, "a", "code").resume(SOURCES)) == {"b/one.tif", "a/two.tif"}


def test_other_code_makes_warped_files_stale(tmp_path: Path) -> None:
    """Its fix would else never reach them; those copied as they were hang on no code."""
    journal = made(tmp_path)
    journal.add("d/warped.tif", {"source": "https://x/d", "valid": False, "warped": True})
    sources = {**SOURCES, "d/warped.tif": "https://x/d"}
    assert set(Journal(tmp_path, "a", "code").resume(sources)) == set(sources)
    assert set(Journal(tmp_path, "a", "edited").resume(sources)) == set(SOURCES)
