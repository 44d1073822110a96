# From a STAC search to a table of evaluated models. What lies where below results/:
#   items/{region}/{sensor}.json                              what the search found
#   scenes/{region}/{sensor}/{year}/                          clips of the scenes, with a manifest
#   cubes/{region}/{sensor}/{raw,aligned,scaled}.zarr         physical, co-registered, 0-255
#   patches/{collection}.zarr                                 what training reads
#   encoders/{collection}/{method}/{modality}/seed{seed}/     pretrained encoders
#   scores/{experiment}/{method}/{modality}/{protocol}.json   evaluations
#   tables/, figures/, report.html                            what to read
# Logs and benchmarks mirror these paths below results/logs and results/benchmarks.
from snakemake.utils import min_version

from revisit.config import check
from revisit.plan import Plan
from revisit.provenance import code

min_version("9.20")


# A study given with --configfile stands alone; Snakemake would merge it into the default one.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


plan = Plan(check(config, workflow.source_path("workflow/schemas/config.schema.yaml")))


wildcard_constraints:
    region="[a-z0-9-]+",
    sensor="sentinel-1|sentinel-2|worldcover",
    year=r"\d{4}",
    method="[a-z0-9+-]+",
    modality="[a-z0-9+]+",
    seed=r"\d+",
    protocol="[a-z-]+",


include: "workflow/rules/acquire.smk"
include: "workflow/rules/preprocess.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.page.output,
