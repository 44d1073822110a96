"""Draw one figure: the stage behind every picture of results and training."""

from revisit import parts
from revisit.errors import RevisitError
from revisit.job import Job
from revisit.record import read
from revisit.report.drawing import Drawing
from revisit.report.facts import Facts


class Settings(Facts):
    """Which figure, and the facts of what it shows."""

    figure: str
    """Name of the figure (revisit.report.figures)."""


def run(job: Job) -> None:
    settings = read(Settings, job.settings, "figure")
    drawing: Drawing = parts.find("figure", settings.figure)
    if not (paths := job.sources("source")):
        raise RevisitError(
            f"figure: {settings.figure} is drawn from {drawing.source}, the job names no such file"
        )
    drawing.draw(paths, settings, job.target("figure"))
