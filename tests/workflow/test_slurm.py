"""Protects the cluster: the one command runs the line on a real Slurm, with the same table to the bit."""

import shutil

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.slurm]


def test_profile_slurm_makes_the_same_table(study, cluster):
    before = study.table()
    shutil.rmtree(study.folder / "results/encoders/pairs/3dmae-3dm")
    shutil.rmtree(study.folder / "results/scores/masking/3dmae-3dm")
    (study.folder / "results/tables/all.csv").unlink()
    text = study.snakemake("results/tables/all.csv", profile="slurm")
    assert study.table() == before
    submitted = text.count("has been submitted with SLURM jobid")
    assert submitted >= 6  # pretrain, two fine-tunings, embed, linear, table
    # The rest of the report follows the table.
    study.snakemake()
