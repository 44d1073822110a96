"""Protects reruns: an edit concerns the stages that import it, a comment concerns none."""

import pytest

from revisit import code_digests


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in the place of ours, to edit at will."""
    root = tmp_path / "revisit"
    (root / "cube").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "files.py": "def write():\n    return 1\n",
        "cube/__init__.py": '"""Cubes."""\n# none\n',
        "cube/grid.py": "import numpy\n\nSIZE = 3\n",
        "cube/stack.py": '"""Stack."""\nfrom revisit.cube.grid import SIZE\n\n\n'
        'def main():\n    from revisit import files\n\n    return files, "classes.yaml"\n',
        "cube/tile.py": "X = 1\n",
        "cube/classes.yaml": "water: 80\n",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    monkeypatch.setattr(code_digests, "PACKAGE", root)
    return root


def test_the_closure_follows_imports_inside_functions_and_packages(package):
    assert set(code_digests.code("revisit.cube.stack")) == {
        "code_revisit_files",
        "code_revisit_cube_grid",
        "code_revisit_cube_stack",
        "code_revisit_cube_classes_yaml",
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("cube/grid.py", "SIZE = 3", "SIZE = 4", True),
        ("files.py", "return 1", "return 2", True),
        ("cube/grid.py", "SIZE = 3", "SIZE = 3  # pixels", False),
        ("cube/stack.py", '"""Stack."""', '"""Stack scenes."""', False),
        ("cube/classes.yaml", "80", "90", True),
        ("cube/tile.py", "X = 1", "X = 2", False),
        ("cube/__init__.py", "# none", "BANDS = 3", True),
    ],
)
def test_what_an_edit_changes(package, file, old, new, changes):
    before = code_digests.code("revisit.cube.stack")
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert (code_digests.code("revisit.cube.stack") != before) is changes


def test_an_unknown_module_is_refused(package):
    with pytest.raises(ValueError, match=r"no module 'revisit\.cube\.nothing'"):
        code_digests.code("revisit.cube.nothing")


@pytest.mark.parametrize("imported", ["from somebodys.heads import HEADS", "import somebodys.heads"])
def test_a_part_of_ones_own_counts_with_what_it_imports_of_its_own_package(
    package, tmp_path, monkeypatch, imported
):
    somebodys = tmp_path / "somebodys"
    somebodys.mkdir()
    (somebodys / "method.py").write_text(f"import numpy\nfrom revisit.cube.grid import SIZE\n{imported}\n")
    (somebodys / "heads.py").write_text("HEADS = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_digests.code("somebodys.method")
    assert set(before) >= {"code_somebodys_method", "code_somebodys_heads", "code_revisit_cube_grid"}
    assert "code_revisit_cube_tile" not in before
    (somebodys / "heads.py").write_text("HEADS = 2  # more\n")
    after = code_digests.code("somebodys.method")
    assert {name for name in after if after[name] != before[name]} == {"code_somebodys_heads"}
