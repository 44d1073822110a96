"""What the table says of the encoders behind a score."""

import pytest

from revisit.evaluation.networks import encoder_columns

CARD = {
    "architecture": {"name": "resnet", "depth": 18, "stem": "small", "bands": ["red"], "image_pixels": 16},
    "collection": "pairs", "modality": "rgb", "collapsed": False, "samples": 256,
    "gpu_hours": 0.0, "cpu_hours": 0.5, "samples_per_second": None, "peak_memory_gb": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "weights_of", "said"), [(10, "", "pairs rgb"), (0, "", "none"), (0, "ImageNet", "ImageNet")]
)
def test_weights_from_elsewhere_are_no_untrained_network(steps: int, weights_of: str, said: str) -> None:
    """Else a probe of ImageNet's features would count as a floor, and as what pretraining is held against."""
    found = encoder_columns([{**CARD, "steps": steps, "weights_of": weights_of}])
    assert found["pretrain_data"] == said


def test_what_an_encoder_started_from_counts_too() -> None:
    """Its steps, hours and imagery, and those of what came before it; its samples are no more for that."""
    first = {**CARD, "collection": "maps", "steps": 5, "weights_of": "", "cpu_hours": 0.25, "parents": []}
    second = {**CARD, "steps": 3, "weights_of": "", "cpu_hours": 1.0, "parents": [first]}
    found = encoder_columns([{**CARD, "steps": 2, "weights_of": "", "parents": [second]}])
    assert (found["pretrain_steps"], found["pretrain_samples"], found["cpu_hours"]) == (10, 256, 1.75)
    assert found["pretrain_data"] == "maps rgb + pairs rgb" and found["peak_memory_gb"] == 1.0


def test_costs_of_a_dual_network_are_those_of_both_encoders() -> None:
    """As is the pretraining behind it; a cost that is not known leaves the sum unknown."""
    found = encoder_columns([{**CARD, "steps": 1, "weights_of": ""}] * 2)
    assert (found["pretrain_samples"], found["pretrain_steps"]) == (512, 2)
    assert (found["cpu_hours"], found["samples_per_second"]) == (1.0, None)
