"""Results are made once for all threads that ask, the least asked for goes first, errors are not kept."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from revisit.patches.kept import kept


def test_made_once_for_all_threads() -> None:
    """Eight threads that ask for one thing at once get what one of them made."""
    start, made = Barrier(8), []

    def make(what: str) -> list[str]:
        made.append(what)
        return [what]

    get = kept(make, 2)

    def ask(_: int) -> list[str]:
        start.wait()
        return get("image")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(8)))
    assert made == ["image"]
    assert all(result is results[0] for result in results)


def test_least_recently_asked_for_goes() -> None:
    made: list[int] = []
    get = kept(lambda number: made.append(number) or number, 2)
    for number in (1, 2, 1, 3, 1, 2):
        assert get(number) == number
    assert made == [1, 2, 3, 2]


def test_an_error_is_not_kept() -> None:
    """Who asks again has another try, as after a disk that was away."""
    answers = iter([OSError("away"), "there"])

    def make() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    get = kept(make, 1)
    with pytest.raises(OSError, match="away"):
        get()
    assert get() == "there"
