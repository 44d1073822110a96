# From a STAC search to a table of evaluated models. What lies where below results/ (results/{study}/ for
# any study but the default one):
#   items/{region}/{sensor}.json                              what the search found
#   scenes/{region}/{sensor}/{year}/                          clips of the scenes, with a manifest
#   cubes/{region}/{sensor}/{raw,aligned,scaled}.zarr         physical, co-registered, 0-255
#   variants/{variant}/{region}/{sensor}/, limits/            the same prepared otherwise, where a collection asks for it
#   patches/{collection}/{region}.zarr, index.json            what training reads
#   patches/{collection}/samples.csv, limits.json             of an imported set
#   encoders/{collection}/{method}/{modality}/seed{seed}/     pretrained encoders
#   generated/{collection}/{method}/{modality}/seed{seed}.zarr  images that a generator makes of every sample
#   similarity/, features/, changes/                          what encoders say of places
#   scores/{experiment}/{method}/{modality}/{protocol}/       evaluations: labels{fraction}/seed{seed}.json
#   models/{experiment}/                                      the networks they trained, the best one on top
#   maps/{experiment}/{region}.tif                            every region as the best one maps it
#   tables/{experiment}/all.csv, leaks.csv, {layout}.csv      the numbers of an experiment, and as a table
#   tables/, figures/, report.html                            those of all, and what else to read
#   collections.json, items.json                              what a STAC client reads, when asked for
#   checkpoints/                                              trainings under way
# Logs, each with the file of its job, and benchmarks mirror these paths below logs/ and benchmarks/.
from snakemake.utils import min_version

from revisit.plan.arguments import read_yaml
from revisit.plan.checked import checked
from revisit.plan.jobs import any_of
from revisit.plan.looks import one_at_a_time
from revisit.plan.plan import Plan

min_version("9.20")
one_at_a_time()


# A study given with --configfile stands alone; Snakemake would merge it into the default one.
if not workflow.overwrite_configfiles:
    read_yaml("config.yaml")

    configfile: "config.yaml"


plan = Plan(checked(config))
if workflow.is_main_process:
    plan.tell_missing()
# Of the cores of this machine; on a cluster the profile says how many a job has.
cube_threads = plan.threads(
    None if workflow.remote_exec else workflow.resource_settings.cores
)


pathvars:
    results=plan.root,


wildcard_constraints:
    region="[a-z0-9-]+",  # a thousand names would make plans twice as slow
    variant=plan.variants.pattern(),
    sensor=any_of(plan.config["search"]),
    year=r"\d{4}",
    method=plan.named("method"),
    modality=plan.named("modality"),
    pretrained=plan.named("modality"),
    labels=r"[0-9.e-]+",
    seed=r"\d+",
    experiment=plan.named("experiment"),
    protocol="[^/]+",  # a part of one's own has dots and a colon in its name
    layout=plan.layouts(),


# Jobs read their files and settings from job files, which are written when the run starts.
onstart:
    plan.start()


include: "workflow/rules/acquire.smk"
include: "workflow/rules/cubes.smk"
include: "workflow/rules/variants.smk"
include: "workflow/rules/patches.smk"
include: "workflow/rules/imports.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.page.output,
        plan.best_seeds(),
