# From scenes to cubes to patches.


rule stack:
    input:
        lambda wildcards: collect(
            rules.download.output,
            year=plan.years(wildcards.sensor),
            allow_missing=True,
        ),
    output:
        cube=directory("results/cubes/{region}/{sensor}/raw.zarr"),
        quicklook="results/cubes/{region}/{sensor}/raw.png",
    log:
        "results/logs/stack/{region}/{sensor}.log",
    benchmark:
        "results/benchmarks/stack/{region}/{sensor}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        **code("revisit.cube.stacking.stack"),
        settings=plan.stack,
    message:
        "Stack {wildcards.sensor} scenes of {wildcards.region}"
    shell:
        "python -m revisit.cube.stacking.stack --region {wildcards.region} --sensor {wildcards.sensor}"
        " --manifests {input} --settings {params.settings:q}"
        " --out {output.cube} --quicklook {output.quicklook} --log {log}"


rule coregister:
    input:
        plan.reference,
        cube=rules.stack.output.cube,
    output:
        cube=directory("results/cubes/{region}/{sensor}/aligned.zarr"),
        quicklook="results/cubes/{region}/{sensor}/aligned.png",
        shifts="results/cubes/{region}/{sensor}/shifts.csv",
    log:
        "results/logs/coregister/{region}/{sensor}.log",
    benchmark:
        "results/benchmarks/coregister/{region}/{sensor}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        **code("revisit.cube.coregistration.coregister"),
        settings=plan.coregister(),
        reference=plan.reference_option,
    message:
        "Co-register the {wildcards.sensor} cube of {wildcards.region}"
    shell:
        "python -m revisit.cube.coregistration.coregister --cube {input.cube} {params.reference}"
        " --settings {params.settings:q} --out {output.cube}"
        " --shifts {output.shifts} --quicklook {output.quicklook} --log {log}"


rule moments:
    input:
        rules.coregister.output.cube,
    output:
        "results/cubes/{region}/{sensor}/moments.json",
    log:
        "results/logs/moments/{region}/{sensor}.log",
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **code("revisit.cube.scaling.moments"),
        settings=plan.moments(),
    message:
        "Measure the training pixels of the {wildcards.sensor} cube of {wildcards.region}"
    shell:
        "python -m revisit.cube.scaling.moments --cube {input} --settings {params.settings:q}"
        " --out {output} --log {log}"


rule limits:
    input:
        collect(rules.moments.output, region=plan.regions, allow_missing=True),
    output:
        "results/cubes/limits/{sensor}.json",
    log:
        "results/logs/limits/{sensor}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.cube.scaling.limits"),
        settings=plan.limits(),
    message:
        "Set the scaling limits of {wildcards.sensor}"
    shell:
        "python -m revisit.cube.scaling.limits --moments {input} --settings {params.settings:q}"
        " --out {output} --log {log}"


rule scale:
    input:
        cube=rules.coregister.output.cube,
        limits=rules.limits.output,
    output:
        cube=directory("results/cubes/{region}/{sensor}/scaled.zarr"),
        quicklook="results/cubes/{region}/{sensor}/scaled.png",
    log:
        "results/logs/scale/{region}/{sensor}.log",
    benchmark:
        "results/benchmarks/scale/{region}/{sensor}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        **code("revisit.cube.scaling.scale"),
    message:
        "Scale the {wildcards.sensor} cube of {wildcards.region}"
    shell:
        "python -m revisit.cube.scaling.scale --cube {input.cube} --limits {input.limits}"
        " --out {output.cube} --quicklook {output.quicklook} --log {log}"


rule labels:
    input:
        collect(
            rules.download.output,
            sensor="worldcover",
            year=plan.years("worldcover"),
            allow_missing=True,
        ),
    output:
        cube=directory("results/cubes/{region}/labels.zarr"),
        quicklook="results/cubes/{region}/labels.png",
    log:
        "results/logs/labels/{region}.log",
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **code("revisit.cube.labels.labels"),
        settings=plan.labels,
    message:
        "Grid the land cover of {wildcards.region}"
    shell:
        "python -m revisit.cube.labels.labels --region {wildcards.region} --manifests {input}"
        " --settings {params.settings:q}"
        " --out {output.cube} --quicklook {output.quicklook} --log {log}"


rule tile:
    input:
        cubes=plan.cubes(),
        labels=plan.label_cubes(),
    output:
        patches=directory("results/patches/{collection}.zarr"),
        quicklook="results/patches/{collection}.png",
    log:
        "results/logs/tile/{collection}.log",
    benchmark:
        "results/benchmarks/tile/{collection}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        **code("revisit.patches.tile"),
        settings=plan.tile,
        labels=plan.labels_option(),
    message:
        "Tile the collection {wildcards.collection}"
    shell:
        "python -m revisit.patches.tile --collection {wildcards.collection}"
        " --cubes {input.cubes} {params.labels} --settings {params.settings:q}"
        " --out {output.patches} --quicklook {output.quicklook} --log {log}"
