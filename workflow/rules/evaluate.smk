# Downstream tasks: one score file a run; and what encoders say of every patch.


rule evaluate:
    input:
        patches=plan.collection,
        encoders=plan.score_encoders,
    output:
        score="<results>/scores/{experiment}/{method}/{modality}/{protocol}.json",
        predictions="<results>/scores/{experiment}/{method}/{modality}/{protocol}.npz",
    log:
        "<results>/logs/evaluate/{experiment}/{method}/{modality}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{experiment}/{method}/{modality}/{protocol}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=720,
    params:
        **plan.job(
            "evaluate",
            "revisit.evaluation.evaluate",
            plan.evaluate,
            modules=plan.run_modules,
        ),
    message:
        "Evaluate {wildcards.method} on {wildcards.modality}, {wildcards.protocol}, for {wildcards.experiment}"
    shell:
        "revisit run {params.job}"


rule similarity:
    input:
        patches="<results>/patches/{collection}/index.json",
        encoder="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors",
    output:
        similarity="<results>/similarity/{collection}/{method}/{modality}/seed{seed}.json",
    log:
        "<results>/logs/similarity/{collection}/{method}/{modality}/{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **plan.job(
            "similarity", "revisit.evaluation.similarity", modules=plan.encoder_modules
        ),
    message:
        "Compare the years with {wildcards.method} on {wildcards.modality}"
    shell:
        "revisit run {params.job}"


rule embed:
    input:
        patches="<results>/patches/{collection}/index.json",
        encoder="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors",
    output:
        features="<results>/features/{collection}/{method}/{modality}/seed{seed}.npz",
    log:
        "<results>/logs/embed/{collection}/{method}/{modality}/{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=240,
    params:
        **plan.job("embed", "revisit.evaluation.embed", modules=plan.encoder_modules),
    message:
        "Embed {wildcards.collection} with {wildcards.method} on {wildcards.modality}"
    shell:
        "revisit run {params.job}"


rule features:
    input:
        plan.features(),
