# Pretrain every configured method. The training checkpoint is no output: it survives a killed job.


rule pretrain:
    input:
        patches="<results>/patches/{collection}/index.json",
        parents=plan.parents,
        generated=plan.generated,
        files=plan.method_files,
    output:
        encoder="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors",
        card="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/card.json",
        history="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/log.csv",
    log:
        "<results>/logs/pretrain/{collection}/{method}/{modality}/{seed}.log",
    benchmark:
        "<results>/benchmarks/pretrain/{collection}/{method}/{modality}/{seed}.jsonl"
    wildcard_constraints:
        method=plan.methods("neither"),
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=plan.gpus,
        mem_mb=4000,
        runtime=1440,
    params:
        **plan.job(
            "pretrain",
            "revisit.training.pretrain",
            plan.pretrain,
            modules=plan.method_modules,
            how=plan.training,
        ),
    message:
        "Pretrain {wildcards.method} on {wildcards.modality} of {wildcards.collection}, seed {wildcards.seed}"
    shell:
        "revisit run {params.job}"


use rule pretrain as pretrain_reconstructing with:
    output:
        encoder="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors",
        card="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/card.json",
        history="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/log.csv",
        reconstruction="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/reconstruction.npz",
    wildcard_constraints:
        method=plan.methods("reconstruction"),


use rule pretrain as pretrain_estimating with:
    output:
        encoder="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors",
        card="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/card.json",
        history="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/log.csv",
        changes="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/changes.csv",
        mixture="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/mixture.csv",
    wildcard_constraints:
        method=plan.methods("changes"),


# What a generator makes of every sample, for methods that learn from it.
rule generate:
    input:
        patches="<results>/patches/{collection}/index.json",
        generator=plan.generator,
    output:
        images=directory(
            "<results>/generated/{collection}/{method}/{modality}/seed{seed}.zarr"
        ),
    log:
        "<results>/logs/generate/{collection}/{method}/{modality}/{seed}.log",
    benchmark:
        "<results>/benchmarks/generate/{collection}/{method}/{modality}/{seed}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=240,
    params:
        **plan.job(
            "generate", "revisit.training.generate", modules=plan.encoder_modules
        ),
    message:
        "Make images of all samples of {wildcards.collection} by {wildcards.method}, seed {wildcards.seed}"
    shell:
        "revisit run {params.job}"
