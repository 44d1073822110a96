# Tables, figures and the page.


rule tables:
    input:
        plan.scores(),
    output:
        report(
            "results/tables/all.csv",
            caption="../report/all.rst",
            category="Tables",
        ),
    log:
        "results/logs/tables.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.tables"),
    message:
        "Merge the scores into one table"
    shell:
        "python -m revisit.report.tables --scores {input} --out {output} --log {log}"


rule layouts:
    input:
        rules.tables.output,
    output:
        report(
            multiext("results/tables/gains", ".csv", ".md"),
            caption="../report/gains.rst",
            category="Tables",
        ),
        report(
            multiext("results/tables/masking", ".csv", ".md"),
            caption="../report/masking.rst",
            category="Tables",
        ),
        report(
            multiext("results/tables/land_cover_sar", ".csv", ".md"),
            caption="../report/land_cover.rst",
            category="Tables",
        ),
        report(
            multiext("results/tables/land_cover_fusion", ".csv", ".md"),
            caption="../report/land_cover.rst",
            category="Tables",
        ),
    log:
        "results/logs/layouts.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.layouts"),
        folder=subpath(output[0], parent=True),
    message:
        "Lay out the works' tables"
    shell:
        "python -m revisit.report.layouts --all {input} --out-folder {params.folder} --log {log}"


rule curves:
    input:
        plan.beside_encoders("log.csv"),
    output:
        report("results/figures/curves.png", category="Figures"),
    log:
        "results/logs/figures/curves.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.curves"),
    message:
        "Draw the training curves"
    shell:
        "python -m revisit.report.figures.curves --logs {input} --out {output} --log {log}"


rule shifts:
    input:
        plan.image_files("shifts.csv"),
    output:
        report("results/figures/shifts.png", category="Figures"),
    log:
        "results/logs/figures/shifts.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.shifts"),
    message:
        "Draw what each date was moved by"
    shell:
        "python -m revisit.report.figures.shifts --shifts {input} --out {output} --log {log}"


rule reconstruction:
    input:
        rules.pretrain.output.reconstruction,
    output:
        report(
            "results/figures/reconstruction/{collection}/{method}/{modality}/seed{seed}.png",
            category="Figures",
        ),
    log:
        "results/logs/figures/reconstruction/{collection}/{method}/{modality}/seed{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.reconstructions"),
    message:
        "Draw what {wildcards.method} restores"
    shell:
        "python -m revisit.report.figures.reconstructions --arrays {input} --out {output} --log {log}"


rule similarities:
    input:
        rules.similarity.output,
    output:
        report(
            "results/figures/similarity/{collection}/{method}/{modality}/seed{seed}.png",
            category="Figures",
        ),
    log:
        "results/logs/figures/similarity/{collection}/{method}/{modality}/seed{seed}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.similarities"),
    message:
        "Draw how alike {wildcards.method} finds the years"
    shell:
        "python -m revisit.report.figures.similarities --matrices {input} --out {output} --log {log}"


rule maps:
    input:
        plan.predictions,
    output:
        report("results/figures/maps/{experiment}.png", category="Figures"),
    log:
        "results/logs/figures/maps/{experiment}.log",
    wildcard_constraints:
        experiment=plan.experiments_of("segmentation"),
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.maps"),
    message:
        "Draw the land-cover maps of {wildcards.experiment}"
    shell:
        "python -m revisit.report.figures.maps --predictions {input} --out {output} --log {log}"


rule masking:
    input:
        rules.tables.output,
    output:
        report("results/figures/masking.png", category="Figures"),
    log:
        "results/logs/figures/masking.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.masking"),
    message:
        "Draw the masking table"
    shell:
        "python -m revisit.report.figures.masking --all {input} --out {output} --log {log}"


rule fractions:
    input:
        rules.tables.output,
    output:
        report("results/figures/fractions.png", category="Figures"),
    log:
        "results/logs/figures/fractions.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.figures.fractions"),
    message:
        "Draw scores against the share of labels"
    shell:
        "python -m revisit.report.figures.fractions --all {input} --experiment masking"
        " --out {output} --log {log}"


rule page:
    input:
        table=rules.tables.output,
        layouts=rules.layouts.output,
        found=plan.items(),
        shifts=plan.image_files("shifts.csv"),
        cards=plan.beside_encoders("card.json", trained=False),
        quicklooks=plan.quicklooks(),
        figures=plan.figures(),
    output:
        report("results/report.html", category="Page"),
    log:
        "results/logs/page.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **code("revisit.report.page"),
        settings=plan.whole(),
    message:
        "Write the report page"
    shell:
        "python -m revisit.report.page --all {input.table} --items {input.found}"
        " --shifts {input.shifts} --cards {input.cards} --quicklooks {input.quicklooks}"
        " --figures {input.figures} --settings {params.settings:q} --out {output} --log {log}"
