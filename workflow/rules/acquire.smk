# Search a catalogue and download what it found; the embedded archive is made here too.


rule archive:
    output:
        directory("results/archive/{region}"),
    log:
        "results/logs/archive/{region}.log",
    benchmark:
        "results/benchmarks/archive/{region}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **code("revisit.archive.make"),
        settings=plan.archive,
    message:
        "Simulate the archive of {wildcards.region}"
    shell:
        "python -m revisit.archive.make --region {wildcards.region}"
        " --settings {params.settings:q} --out {output} --log {log}"


rule search:
    input:
        plan.folder,
    output:
        "results/items/{region}/{sensor}.json",
    log:
        "results/logs/search/{region}/{sensor}.log",
    benchmark:
        "results/benchmarks/search/{region}/{sensor}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        **code("revisit.stac.search"),
        settings=plan.search,
        folder=plan.folder_option,
    message:
        "Search {wildcards.sensor} scenes of {wildcards.region}"
    shell:
        "python -m revisit.stac.search --region {wildcards.region} --sensor {wildcards.sensor}"
        " {params.folder} --settings {params.settings:q} --out {output} --log {log}"


rule download:
    input:
        plan.folder,
        found=rules.search.output,
    output:
        "results/scenes/{region}/{sensor}/{year}/manifest.json",
    log:
        "results/logs/download/{region}/{sensor}/{year}.log",
    benchmark:
        "results/benchmarks/download/{region}/{sensor}/{year}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        **code("revisit.stac.download"),
        settings=plan.download,
        folder=plan.folder_option,
    message:
        "Download {wildcards.sensor} scenes of {wildcards.region}, {wildcards.year}"
    shell:
        "python -m revisit.stac.download --items {input.found}"
        " --region {wildcards.region} --sensor {wildcards.sensor} --year {wildcards.year}"
        " {params.folder} --settings {params.settings:q} --out {output} --log {log}"
