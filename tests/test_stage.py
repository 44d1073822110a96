"""Protects the face of every stage: one clear line for bad input, the line in the log file too."""

from revisit import stage
from revisit.errors import RevisitError


def run(tmp_path, work, *arguments):
    return stage.main(work, stage.parser("a stage"), ["--log", str(tmp_path / "logs" / "a.log"), *arguments])


def test_bad_input_is_one_line_and_exit_one(tmp_path, capsys):
    def work(arguments):
        raise RevisitError("region plain: no scenes found;\n widen the dates")

    assert run(tmp_path, work) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("error: region plain: no scenes found; widen the dates")
    assert (tmp_path / "logs" / "a.log").read_text().strip() == lines[0]


def test_our_own_fault_keeps_its_trace(tmp_path, capsys):
    def work(arguments):
        raise KeyError("x")

    assert run(tmp_path, work) == 1
    assert "Traceback" in (tmp_path / "logs" / "a.log").read_text()


def test_settings_arrive_as_a_dictionary(tmp_path):
    seen = {}
    assert run(tmp_path, lambda arguments: seen.update(arguments.settings), "--settings", '{"a": [1]}') == 0
    assert seen == {"a": [1]}


def test_settings_that_are_no_json_are_refused(tmp_path, capsys):
    try:
        run(tmp_path, lambda arguments: None, "--settings", "{a: 1}")
    except SystemExit as stop:
        assert stop.code == 2
    assert "not valid JSON" in capsys.readouterr().err
