# Downstream tasks: a score file for each repeat of a run; and what encoders say of every patch.


rule evaluate:
    input:
        patches=plan.collection,
        encoders=plan.score_encoders,
    output:
        score="<results>/scores/{experiment}/{method}/{modality}/{protocol}/labels{labels}/seed{seed}.json",
        predictions="<results>/scores/{experiment}/{method}/{modality}/{protocol}/labels{labels}/seed{seed}.npz",
        weights=plan.passing(
            "models",
            "<results>/models/{experiment}/{method}/{modality}/{protocol}/labels{labels}/seed{seed}/model.safetensors",
        ),
        card=plan.passing(
            "models",
            "<results>/models/{experiment}/{method}/{modality}/{protocol}/labels{labels}/seed{seed}/card.json",
        ),
    log:
        "<results>/logs/evaluate/{experiment}/{method}/{modality}/{protocol}/{labels}/{seed}.log",
    benchmark:
        "<results>/benchmarks/evaluate/{experiment}/{method}/{modality}/{protocol}/{labels}/{seed}.jsonl"
    wildcard_constraints:
        protocol=plan.protocols("evaluate"),
    priority: plan.priority
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
        "Train {wildcards.method} on {wildcards.modality} for {wildcards.experiment}, {wildcards.protocol}, labels {wildcards.labels}, seed {wildcards.seed}"
    shell:
        "revisit run {params.job}"


# Of each row of an experiment its best seed, where not all are kept; and of an experiment its best row.
rule best_seed:
    input:
        weights=lambda wildcards: plan.seeds(wildcards, "model.safetensors"),
        cards=lambda wildcards: plan.seeds(wildcards, "card.json"),
    output:
        weights="<results>/models/{experiment}/{method}/{modality}/{protocol}/model.safetensors",
        card="<results>/models/{experiment}/{method}/{modality}/{protocol}/card.json",
    log:
        "<results>/logs/best_seed/{experiment}/{method}/{modality}/{protocol}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("best_seed", "revisit.evaluation.best_model"),
    message:
        "Choose the best seed of {wildcards.method} on {wildcards.modality} for {wildcards.experiment}, {wildcards.protocol}"
    shell:
        "revisit run {params.job}"


use rule best_seed as best_model with:
    input:
        weights=lambda wildcards: plan.rivals(wildcards, "model.safetensors"),
        cards=lambda wildcards: plan.rivals(wildcards, "card.json"),
    output:
        weights="<results>/models/{experiment}/model.safetensors",
        card="<results>/models/{experiment}/card.json",
    log:
        "<results>/logs/best_model/{experiment}.log",
    params:
        **plan.job("best_model", "revisit.evaluation.best_model"),
    message:
        "Choose the best model of {wildcards.experiment}"


rule predict:
    input:
        weights=rules.best_model.output.weights,
        card=rules.best_model.output.card,
        cubes=plan.mapped_cubes,
        elevation=plan.elevation,
        labels=plan.labels,
    output:
        map="<results>/maps/{experiment}/{region}.tif",
        item="<results>/maps/{experiment}/{region}.json",
        picture="<results>/maps/{experiment}/{region}.png",
    log:
        "<results>/logs/predict/{experiment}/{region}.log",
    benchmark:
        "<results>/benchmarks/predict/{experiment}/{region}.jsonl"
    priority: plan.priority
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=240,
    params:
        **plan.job(
            "predict",
            "revisit.prediction.predict",
            modules=plan.rival_modules,
        ),
    message:
        "Map {wildcards.region} with the best model of {wildcards.experiment}"
    shell:
        "revisit run {params.job}"


# What trains no network takes seconds: all repeats of a run are one job.
rule probe:
    input:
        patches=plan.collection,
        features=plan.probe_features,
        encoders=plan.probe_encoders,
    output:
        scores=directory("<results>/scores/{experiment}/{method}/{modality}/{protocol}"),
    log:
        "<results>/logs/probe/{experiment}/{method}/{modality}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/probe/{experiment}/{method}/{modality}/{protocol}.jsonl"
    wildcard_constraints:
        protocol=plan.protocols("probe"),
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=3000,
        runtime=480,
    params:
        **plan.job(
            "probe",
            "revisit.evaluation.score_probe",
            plan.repeats,
            modules=plan.run_modules,
        ),
    message:
        "Probe {wildcards.method} on {wildcards.modality} for {wildcards.experiment}, {wildcards.protocol}"
    shell:
        "revisit run {params.job}"


rule floor:
    input:
        patches=plan.collection,
    output:
        scores=directory("<results>/scores/{experiment}/{method}/{modality}/{protocol}"),
    log:
        "<results>/logs/floor/{experiment}/{method}/{modality}/{protocol}.log",
    benchmark:
        "<results>/benchmarks/floor/{experiment}/{method}/{modality}/{protocol}.jsonl"
    wildcard_constraints:
        protocol=plan.protocols("floor"),
    conda:
        "../../envs/revisit.yaml"
    resources:
        mem_mb=3000,
        runtime=480,
    params:
        **plan.job(
            "floor",
            "revisit.evaluation.score_floor",
            plan.repeats,
            modules=plan.run_modules,
        ),
    message:
        "Find the floor {wildcards.method} on {wildcards.modality} for {wildcards.experiment}"
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


rule true_change:
    input:
        changes="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/changes.csv",
        mixture="<results>/encoders/{collection}/{method}/{modality}/seed{seed}/mixture.csv",
        labels=plan.label_cubes,
    output:
        places="<results>/changes/{collection}/{method}/{modality}/seed{seed}.csv",
    log:
        "<results>/logs/true_change/{collection}/{method}/{modality}/{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("true_change", "revisit.evaluation.true_change", plan.changed),
    message:
        "See which places changed that {wildcards.method} on {wildcards.modality} has estimates of, seed {wildcards.seed}"
    shell:
        "revisit run {params.job}"


rule embed:
    input:
        patches="<results>/patches/{collection}/index.json",
        encoder=plan.embedding,
    output:
        features="<results>/features/{collection}/{method}/{pretrained}/seed{seed}/{modality}.npz",
    log:
        "<results>/logs/embed/{collection}/{method}/{pretrained}/{seed}/{modality}.log",
    benchmark:
        "<results>/benchmarks/embed/{collection}/{method}/{pretrained}/{seed}/{modality}.jsonl"
    conda:
        "../../envs/revisit.yaml"
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=240,
    params:
        **plan.job("embed", "revisit.evaluation.embed", modules=plan.encoder_modules),
    message:
        "Embed {wildcards.modality} of {wildcards.collection} with {wildcards.method} of {wildcards.pretrained}, seed {wildcards.seed}"
    shell:
        "revisit run {params.job}"


rule features:
    input:
        plan.features(),
