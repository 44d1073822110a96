# From a benchmark set as it lies on disk to a collection of patches. The folder of a set is no input: what is
# in it does not change.


rule survey:
    input:
        cube_limits=plan.cube_limits,
    output:
        samples="<results>/patches/{collection}/samples.csv",
        limits="<results>/patches/{collection}/limits.json",
    log:
        "<results>/logs/survey/{collection}.log",
    benchmark:
        "<results>/benchmarks/survey/{collection}.jsonl"
    wildcard_constraints:
        collection=plan.imported(),
    conda:
        "../../envs/revisit.yaml"
    threads: 8
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        **plan.job(
            "survey", "revisit.patches.survey", plan.survey, modules=plan.kind_modules
        ),
    message:
        "List and measure the set {wildcards.collection}"
    shell:
        "revisit run {params.job}"


rule import_set:
    input:
        samples=rules.survey.output.samples,
        limits=rules.survey.output.limits,
    output:
        patches=directory("<results>/patches/{collection}/{region}.zarr"),
    log:
        "<results>/logs/import_set/{collection}/{region}.log",
    benchmark:
        "<results>/benchmarks/import_set/{collection}/{region}.jsonl"
    wildcard_constraints:
        collection=plan.imported(),
        region=r"\d+-of-\d+",
    conda:
        "../../envs/revisit.yaml"
    threads: 8
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        **plan.job(
            "import_set",
            "revisit.patches.import_set",
            plan.import_set,
            modules=plan.kind_modules,
        ),
    message:
        "Import {wildcards.region} of the set {wildcards.collection}"
    shell:
        "revisit run {params.job}"


rule index_set:
    input:
        stores=plan.set_stores,
    output:
        index="<results>/patches/{collection}/index.json",
        quicklook="<results>/patches/{collection}/quicklook.png",
    log:
        "<results>/logs/index_set/{collection}.log",
    wildcard_constraints:
        collection=plan.imported(),
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "index_set",
            "revisit.patches.index_set",
            plan.index_set,
            modules=plan.kind_modules,
        ),
    message:
        "Index the set {wildcards.collection}"
    shell:
        "revisit run {params.job}"
