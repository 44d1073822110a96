# Search a catalogue and download what it found; the embedded archive is made here too.


rule archive:
    output:
        archive=directory("<results>/archive/{region}"),
    log:
        "<results>/logs/archive/{region}.log",
    benchmark:
        "<results>/benchmarks/archive/{region}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **plan.job("archive", "revisit.archive.make", plan.archive),
    message:
        "Simulate the archive of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule search:
    input:
        folder=plan.folder,
    output:
        found="<results>/items/{region}/{sensor}.json",
    log:
        "<results>/logs/search/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/search/{region}/{sensor}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        **plan.job("search", "revisit.stac.search", plan.search, how=plan.asking),
    message:
        "Search {wildcards.sensor} scenes of {wildcards.region}"
    shell:
        "revisit run {params.job}"


rule download:
    input:
        folder=plan.folder,
        found=rules.search.output.found,
    output:
        manifest="<results>/scenes/{region}/{sensor}/{year}/manifest.json",
        clips=plan.passing(
            "scenes", directory("<results>/scenes/{region}/{sensor}/{year}/clips")
        ),
    log:
        "<results>/logs/download/{region}/{sensor}/{year}.log",
    benchmark:
        "<results>/benchmarks/download/{region}/{sensor}/{year}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        **plan.job(
            "download", "revisit.stac.download", plan.download, how=plan.fetching
        ),
    message:
        "Download {wildcards.sensor} scenes of {wildcards.region}, {wildcards.year}"
    shell:
        "revisit run {params.job}"
