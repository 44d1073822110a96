"""The columns of ``tables/all.csv``, in order: what every score file says of each of its numbers."""

COLUMNS = (
    "experiment",
    "task",
    "dataset",
    "method",
    "encoder",
    "pretrain_data",
    "pretrain_samples",
    "pretrain_steps",
    "modality",
    "protocol",
    "label_fraction",
    "label_count",
    "class",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "deviation",
    "seeds",
    "test_ci_low",
    "test_ci_high",
    "test_places",
    "published",
    "published_source",
    "collapsed",
    "converged",
    "gpu_hours",
    "cpu_hours",
    "samples_per_second",
    "peak_memory_gb",
    "config_hash",
    "code_version",
    "run",
)

# What these columns say of a network that nothing was trained of before, or of no network.
NOT_PRETRAINED = {"pretrain_data": "none", "pretrain_samples": 0, "pretrain_steps": 0, "collapsed": False}

# What pretraining cost, as measured: no two trainings cost the same, so these columns differ from run to run.
HOURS = ("gpu_hours", "cpu_hours")
COSTS = (*HOURS, "samples_per_second", "peak_memory_gb")
