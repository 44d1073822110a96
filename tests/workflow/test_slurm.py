"""Protects the cluster: the one command runs the line on a real Slurm, with the same table to the bit."""

import os
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.slurm]


@pytest.fixture
def cluster(shared):
    """A real Slurm on this machine, with two fake GPUs; stopped afterwards."""
    sandbox = shared / "slurm/sandbox.sh"
    missing = [tool for tool in ("slurmctld", "slurmd", "sbatch", "munged") if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a Slurm sandbox needs root and {', '.join(missing) or 'no more tools'}")
    subprocess.run([sandbox, "start", "--no-dbd"], check=True, capture_output=True)
    yield
    subprocess.run([sandbox, "stop"], check=True, capture_output=True)


def test_profile_slurm_makes_the_same_table(study, cluster):
    before = study.table()
    shutil.rmtree(study.folder / "results/encoders/pairs/3dmae-3dm")
    shutil.rmtree(study.folder / "results/scores/masking/3dmae-3dm")
    (study.folder / "results/tables/all.csv").unlink()
    # The sandbox's partitions end at two hours.
    short = [f"{rule}:runtime=30" for rule in ("pretrain_reconstructing", "evaluate", "embed")]
    text = study.snakemake("results/tables/all.csv", "--set-resources", *short, profile="slurm")
    assert study.table() == before
    submitted = text.count("has been submitted with SLURM jobid")
    assert submitted >= 6  # pretrain, two fine-tunings, embed, linear, table
    # The rest of the report follows the table.
    study.snakemake()
