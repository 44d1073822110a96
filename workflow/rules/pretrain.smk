# Pretrain every configured method. The training checkpoint is no output: it survives a killed job.


rule pretrain:
    input:
        "results/patches/{collection}.zarr",
    output:
        encoder="results/encoders/{collection}/{method}/{modality}/seed{seed}/encoder.safetensors",
        card="results/encoders/{collection}/{method}/{modality}/seed{seed}/card.json",
        history="results/encoders/{collection}/{method}/{modality}/seed{seed}/log.csv",
        reconstruction="results/encoders/{collection}/{method}/{modality}/seed{seed}/reconstruction.npz",
    log:
        "results/logs/pretrain/{collection}/{method}/{modality}/seed{seed}.log",
    benchmark:
        "results/benchmarks/pretrain/{collection}/{method}/{modality}/seed{seed}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=1440,
    params:
        settings=plan.pretrain,
        code=plan.pretrain_code,
        checkpoint="results/checkpoints/{collection}/{method}/{modality}/seed{seed}",
    message:
        "Pretrain {wildcards.method} on {wildcards.modality} of {wildcards.collection}, seed {wildcards.seed}"
    shell:
        "python -m revisit.training.pretrain --patches {input}"
        " --collection {wildcards.collection} --method {wildcards.method}"
        " --modality {wildcards.modality} --seed {wildcards.seed}"
        " --settings {params.settings:q} --checkpoint {params.checkpoint}"
        " --out {output.encoder} --log {log}"
