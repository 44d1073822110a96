"""Results that are kept for the next who asks, as by ``functools.lru_cache``, for several threads at once."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import ParamSpec, TypeVar

Asked = ParamSpec("Asked")
Made = TypeVar("Made")


def kept(make: Callable[Asked, Made], most: int) -> Callable[Asked, Made]:
    """``make``, its last ``most`` results kept: threads that ask for one under way wait for it.

    With ``lru_cache`` each of them would make it. An error is raised to all who wait, and not kept.
    """
    lock, results = Lock(), dict[tuple[object, ...], Future[Made]]()

    def asked(*args: Asked.args, **kwargs: Asked.kwargs) -> Made:
        with lock:
            result = results.pop(args, None)
            if mine := result is None:
                result = Future()
            results[args] = result  # the last asked for is the last to go
            while len(results) > most:
                results.pop(next(iter(results)))
        if mine:
            try:
                result.set_result(make(*args, **kwargs))
            except BaseException as error:
                with lock:
                    results.pop(args, None)
                result.set_exception(error)
        return result.result()

    return asked
