# Variants of cubes: the stages that one has of its own (revisit.plan.variants), the others are those of cubes.smk.


use rule stack as stack_variant with:
    output:
        cube=plan.passing(
            "raw",
            directory("<results>/variants/{variant}/{region}/{sensor}/raw.zarr"),
        ),
        quicklook="<results>/variants/{variant}/{region}/{sensor}/raw.png",
    log:
        "<results>/logs/stack/{variant}/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/stack/{variant}/{region}/{sensor}.jsonl"


use rule coregister as coregister_variant with:
    input:
        reference=plan.reference,
        cube=lambda wildcards: plan.cube(wildcards, "raw"),
    output:
        cube=plan.passing(
            "aligned",
            directory("<results>/variants/{variant}/{region}/{sensor}/aligned.zarr"),
        ),
        quicklook="<results>/variants/{variant}/{region}/{sensor}/aligned.png",
        shifts="<results>/variants/{variant}/{region}/{sensor}/shifts.csv",
    log:
        "<results>/logs/coregister/{variant}/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/coregister/{variant}/{region}/{sensor}.jsonl"


use rule moments as moments_variant with:
    input:
        cube=lambda wildcards: plan.cube(wildcards, "aligned"),
    output:
        moments="<results>/variants/{variant}/{region}/{sensor}/moments.json",
    log:
        "<results>/logs/moments/{variant}/{region}/{sensor}.log",


use rule limits as limits_variant with:
    output:
        limits="<results>/variants/{variant}/limits/{sensor}.json",
    log:
        "<results>/logs/limits/{variant}/{sensor}.log",


use rule scale as scale_variant with:
    input:
        cube=lambda wildcards: plan.cube(wildcards, "aligned"),
        limits=rules.limits_variant.output.limits,
    output:
        cube=directory("<results>/variants/{variant}/{region}/{sensor}/scaled.zarr"),
        quicklook="<results>/variants/{variant}/{region}/{sensor}/scaled.png",
    log:
        "<results>/logs/scale/{variant}/{region}/{sensor}.log",
    benchmark:
        "<results>/benchmarks/scale/{variant}/{region}/{sensor}.jsonl"
