# From scenes to cubes.


rule stack:
    input:
        manifests=plan.manifests,
        clips=plan.clips,
    output:
        cube=plan.passing(
            "raw", directory("<results>/cubes/{region}/{sensor}/raw.zarr")
        ),
        quicklook="<results>/cubes/{region}/{sensor}/raw.png",
    log:
        "<results>/logs/stack/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/stack/{region}/{sensor}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    threads: cube_threads
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        **plan.job("stack", "revisit.cube.stacking.stack", plan.stack),
    message:
        "Stack {wildcards.sensor} scenes of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule coregister:
    input:
        reference=plan.reference,
        cube=rules.stack.output.cube,
    output:
        cube=plan.passing(
            "aligned", directory("<results>/cubes/{region}/{sensor}/aligned.zarr")
        ),
        quicklook="<results>/cubes/{region}/{sensor}/aligned.png",
        shifts="<results>/cubes/{region}/{sensor}/shifts.csv",
    log:
        "<results>/logs/coregister/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/coregister/{region}/{sensor}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    threads: cube_threads
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        **plan.job(
            "coregister", "revisit.cube.coregistration.coregister", plan.coregister
        ),
    message:
        "Co-register the {wildcards.sensor} cube of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule moments:
    input:
        cube=rules.coregister.output.cube,
    output:
        moments="<results>/cubes/{region}/{sensor}/moments.json",
    log:
        "<results>/logs/moments/{region}/{sensor}.log",
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    threads: cube_threads
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **plan.job("moments", "revisit.cube.scaling.moments", plan.moments),
    message:
        "Measure the training pixels of the {wildcards.sensor} cube of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule limits:
    input:
        moments=plan.limiting,
    output:
        limits="<results>/cubes/limits/{sensor}.json",
    log:
        "<results>/logs/limits/{sensor}.log",
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("limits", "revisit.cube.scaling.limits", plan.limits),
    message:
        "Set the scaling limits of {wildcards.sensor}"
    shell:
        "revisit run {params.job}"


rule scale:
    input:
        cube=rules.coregister.output.cube,
        limits=rules.limits.output.limits,
    output:
        cube=directory("<results>/cubes/{region}/{sensor}/scaled.zarr"),
        quicklook="<results>/cubes/{region}/{sensor}/scaled.png",
    log:
        "<results>/logs/scale/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/scale/{region}/{sensor}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    threads: cube_threads
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        **plan.job("scale", "revisit.cube.scaling.scale"),
    message:
        "Scale the {wildcards.sensor} cube of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule labels:
    input:
        manifests=plan.label_maps,
        clips=plan.label_clips,
        files=plan.label_files,
    output:
        cube=directory("<results>/cubes/{region}/labels.zarr"),
        quicklook="<results>/cubes/{region}/labels.png",
    log:
        "<results>/logs/labels/{region}.log",
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **plan.job("labels", "revisit.cube.labels.labels", plan.label),
    message:
        "Grid the labels of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule dem:
    input:
        manifests=plan.elevations,
        clips=plan.elevation_clips,
    output:
        cube=directory("<results>/cubes/{region}/dem.zarr"),
        quicklook="<results>/cubes/{region}/dem.png",
    log:
        "<results>/logs/dem/{region}.log",
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **plan.job("dem", "revisit.cube.elevation", plan.grid),
    message:
        "Grid the elevation of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule dem_moments:
    input:
        cube=rules.dem.output.cube,
    output:
        moments="<results>/cubes/{region}/dem-moments.json",
    log:
        "<results>/logs/dem_moments/{region}.log",
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **plan.job("dem_moments", "revisit.cube.scaling.elevation", plan.moments),
    message:
        "Measure the elevation of the training pixels of {wildcards.region}"
    shell:
        "revisit run {params.job}"
