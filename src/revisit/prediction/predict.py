"""Map a whole region by a trained model: the stage behind a study's maps, and behind ``revisit predict``.

Reads and writes block by block, so a large region takes no more memory than a small one.
"""

from pathlib import Path

from revisit import stage
from revisit.cube.bands import ELEVATION
from revisit.cube.contract import open_cube
from revisit.cube.grid import Block, inside
from revisit.evaluation.trained_model import TrainedModel, load_model
from revisit.job import Job
from revisit.prediction.blend import Blend
from revisit.prediction.cube_images import CubeImages
from revisit.prediction.images import Images
from revisit.prediction.map_file import BLOCK, map_file, write_map_item
from revisit.prediction.picture import Preview, draw, truth_of
from revisit.training.device import choose_device, prepare


def run(job: Job) -> None:
    """Map ``cubes`` (and ``elevation``) by the model ``weights``; draw the map beside ``labels``, if any.

    A region that the model has no image of gets a map without data: it does not end the study.
    """
    device = choose_device()
    prepare(device, job.threads)
    model = load_model(job.source("weights"), device)
    cubes = {open_cube(path).attrs["sensor"]: path for path in job.sources("cubes")}
    if elevation := job.sources("elevation"):
        cubes[ELEVATION] = elevation[0]
    images = CubeImages(model.card, cubes)
    preview = predict(model, images, job.target("map"))
    year = int(images.period[0][:4])
    truths = [truth_of(open_cube(path, stage="labels"), year, preview.step) for path in job.sources("labels")]
    draw(preview, model.card, truths[0] if truths else None, job.target("picture"), job.names["region"])


def predict(model: TrainedModel, images: Images, path: Path, area: Block | None = None) -> Preview:
    """Write the map of an image, or of a block of it, to ``path`` (COG), and its STAC Item beside it.

    Returns the map and what it was made of, reduced to the size of a picture.
    """
    height, width = images.place.shape
    whole = rows, columns = area or (slice(0, height), slice(0, width))
    place = images.place.part(whole)
    blocks = [
        (slice(top, min(top + BLOCK, rows.stop)), slice(left, min(left + BLOCK, columns.stop)))
        for top in range(rows.start, rows.stop, BLOCK)
        for left in range(columns.start, columns.stop, BLOCK)
    ]
    if images.doubt:
        stage.log.warning("%s: %s", path, images.doubt)
    preview, blend = Preview(place, model.card), Blend(model, images)
    with map_file(path, place, model.card) as write:
        for block in stage.progress(blocks, "blocks"):
            mapped = blend.block(block)
            here = inside(block, whole)
            write(here, mapped.codes)
            preview.add(here, mapped)
    write_map_item(path, place, images, model.card)
    shares = preview.shares()
    if not shares:
        stage.log.warning("%s: no pixel has data%s", path, f": {images.lacking}" if images.lacking else "")
    said = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    stage.log.info("%d x %d pixels: %s", *place.shape, said or "no data")
    return preview
