# Downstream tasks: one score file a run.


rule classify:
    input:
        patches=plan.patches,
        encoders=plan.score_encoders,
    output:
        "results/scores/{experiment}/{method}/{modality}/{protocol}.json",
    log:
        "results/logs/classify/{experiment}/{method}/{modality}/{protocol}.log",
    benchmark:
        "results/benchmarks/classify/{experiment}/{method}/{modality}/{protocol}.jsonl"
    wildcard_constraints:
        experiment=plan.experiments_of("multi-label"),
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=720,
    params:
        settings=plan.evaluate,
        encoders=plan.encoders_option,
        code=plan.evaluate_code,
    message:
        "Classify with {wildcards.method} on {wildcards.modality}, {wildcards.protocol}"
    shell:
        "python -m revisit.evaluation.classify --patches {input.patches} {params.encoders}"
        " --experiment {wildcards.experiment} --method {wildcards.method}"
        " --modality {wildcards.modality} --protocol {wildcards.protocol}"
        " --settings {params.settings:q} --out {output} --log {log}"


rule segment:
    input:
        patches=plan.patches,
        encoders=plan.score_encoders,
    output:
        score="results/scores/{experiment}/{method}/{modality}/{protocol}.json",
        predictions="results/scores/{experiment}/{method}/{modality}/{protocol}.npz",
    log:
        "results/logs/segment/{experiment}/{method}/{modality}/{protocol}.log",
    benchmark:
        "results/benchmarks/segment/{experiment}/{method}/{modality}/{protocol}.jsonl"
    wildcard_constraints:
        experiment=plan.experiments_of("segmentation"),
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=720,
    params:
        settings=plan.evaluate,
        encoders=plan.encoders_option,
        code=plan.evaluate_code,
    message:
        "Map land cover with {wildcards.method} on {wildcards.modality}"
    shell:
        "python -m revisit.evaluation.segment --patches {input.patches} {params.encoders}"
        " --experiment {wildcards.experiment} --method {wildcards.method}"
        " --modality {wildcards.modality}"
        " --settings {params.settings:q} --out {output.score}"
        " --predictions {output.predictions} --log {log}"


rule similarity:
    input:
        patches="results/patches/{collection}.zarr",
        encoder=rules.pretrain.output.encoder,
    output:
        "results/similarity/{collection}/{method}/{modality}/seed{seed}.json",
    log:
        "results/logs/similarity/{collection}/{method}/{modality}/seed{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **code("revisit.evaluation.similarity"),
    message:
        "Compare the years with {wildcards.method} on {wildcards.modality}"
    shell:
        "python -m revisit.evaluation.similarity --patches {input.patches}"
        " --encoder {input.encoder} --out {output} --log {log}"


rule embed:
    input:
        patches="results/patches/{collection}.zarr",
        encoder=rules.pretrain.output.encoder,
    output:
        "results/features/{collection}/{method}/{modality}/seed{seed}.npz",
    log:
        "results/logs/embed/{collection}/{method}/{modality}/seed{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=240,
    params:
        **code("revisit.evaluation.embed"),
    message:
        "Embed {wildcards.collection} with {wildcards.method} on {wildcards.modality}"
    shell:
        "python -m revisit.evaluation.embed --patches {input.patches}"
        " --encoder {input.encoder} --out {output} --log {log}"


rule features:
    input:
        plan.features(),
