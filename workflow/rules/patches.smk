# From cubes to collections of patches: one store per region, and an index of the stores.


rule tile:
    input:
        cubes=plan.scaled,
        labels=plan.labels,
        elevation=plan.elevation,
    output:
        patches=directory("<results>/patches/{collection}/{region}.zarr"),
    log:
        "<results>/logs/tile/{collection}/{region}.log",
    benchmark:
        "<results>/benchmarks/tile/{collection}/{region}.jsonl"
    wildcard_constraints:
        collection=plan.cut(),
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    threads: cube_threads
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        **plan.job("tile", "revisit.patches.tile", plan.tile, modules=plan.kind_modules),
    message:
        "Tile {wildcards.region} for the collection {wildcards.collection}"
    shell:
        "revisit run {params.job}"


rule index:
    input:
        stores=plan.stores,
    output:
        index="<results>/patches/{collection}/index.json",
        quicklook="<results>/patches/{collection}/quicklook.png",
    log:
        "<results>/logs/index/{collection}.log",
    wildcard_constraints:
        collection=plan.cut(),
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "index", "revisit.patches.index", plan.index, modules=plan.kind_modules
        ),
    message:
        "Index the collection {wildcards.collection}"
    shell:
        "revisit run {params.job}"
