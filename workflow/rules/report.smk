# Tables, figures and the page. Inputs that grow with the study are functions: of a list, Snakemake hashes the
# whole for each of its files.


rule scores:
    input:
        scores=lambda wildcards: plan.made(plan.scores_of(wildcards)),
        predictions=lambda wildcards: plan.made(plan.predictions_of(wildcards)),
        cards=plan.cards_of,
        indexes=plan.indexes_of,
    output:
        table="<results>/tables/{experiment}/all.csv",
        leaks="<results>/tables/{experiment}/leaks.csv",
    log:
        "<results>/logs/scores/{experiment}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "scores",
            "revisit.report.merged_table",
            plan.scored_in,
            files=plan.score_files,
        ),
    message:
        "Merge the scores of {wildcards.experiment}, look whether its encoders were pretrained on test places"
    shell:
        "revisit run {params.job}"


rule tables:
    input:
        tables=lambda wildcards: plan.of_experiments("all"),
        leaks=lambda wildcards: plan.of_experiments("leaks"),
    output:
        table=report(
            "<results>/tables/all.csv", caption="../report/all.rst", category="Tables"
        ),
        leaks=report(
            "<results>/tables/leaks.csv",
            caption="../report/leaks.rst",
            category="Tables",
        ),
        markdown="<results>/tables/leaks.md",
    log:
        "<results>/logs/tables.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("tables", "revisit.report.joined_tables"),
    message:
        "Join the tables of the experiments"
    shell:
        "revisit run {params.job}"


rule gains:
    input:
        table=rules.tables.output.table,
    output:
        csv=report(
            "<results>/tables/gains.csv",
            caption="../report/gains.rst",
            category="Tables",
        ),
        markdown="<results>/tables/gains.md",
    log:
        "<results>/logs/gains.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("gains", "revisit.report.gains", plan.scored),
    message:
        "Lay out what pretraining gained"
    shell:
        "revisit run {params.job}"


rule claims:
    input:
        scores=lambda wildcards: plan.made(plan.claimed()),
        leaks=rules.tables.output.leaks,
    output:
        csv=report(
            "<results>/tables/claims.csv",
            caption="../report/claims.rst",
            category="Tables",
        ),
        markdown="<results>/tables/claims.md",
    log:
        "<results>/logs/claims.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "claims",
            "revisit.report.claims",
            plan.scored,
            files=lambda wildcards: {"scores": plan.claimed()},
        ),
    message:
        "Hold the claims of the sources against the scores"
    shell:
        "revisit run {params.job}"


rule change_estimates:
    input:
        places=lambda wildcards: plan.true_changes(),
    output:
        csv=report(
            "<results>/tables/change-estimates.csv",
            caption="../report/change_estimates.rst",
            category="Tables",
        ),
        markdown="<results>/tables/change-estimates.md",
    log:
        "<results>/logs/change_estimates.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "change_estimates", "revisit.report.change_estimates", plan.pretrained
        ),
    message:
        "Score the estimates of change"
    shell:
        "revisit run {params.job}"


rule table:
    input:
        table=rules.scores.output.table,
    output:
        csv=report(
            "<results>/tables/{experiment}/{layout}.csv",
            caption="../report/table.rst",
            category="Tables",
        ),
        markdown="<results>/tables/{experiment}/{layout}.md",
    log:
        "<results>/logs/table/{experiment}/{layout}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "table", "revisit.report.table", plan.table, modules=plan.table_modules
        ),
    message:
        "Lay out {wildcards.layout} of {wildcards.experiment}"
    shell:
        "revisit run {params.job}"


rule figure:
    input:
        source=lambda wildcards: plan.made(plan.figure_sources(wildcards)),
    output:
        figure=report("<results>/figures/{figure}.png", category="Figures"),
    log:
        "<results>/logs/figure/{figure}.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job(
            "figure",
            "revisit.report.figure",
            plan.figure,
            modules=plan.figure_modules,
            files=plan.figure_files,
        ),
    message:
        "Draw {wildcards.figure}"
    shell:
        "revisit run {params.job}"


rule page:
    input:
        table=rules.tables.output.table,
        tables=lambda wildcards: collect("{table}.csv", table=plan.tables()),
        claims=lambda wildcards: plan.claims(),
        estimates=lambda wildcards: plan.change_estimates(),
        found=lambda wildcards: plan.items(),
        manifests=lambda wildcards: plan.downloads(),
        indexes=lambda wildcards: plan.indexes(),
        shifts=lambda wildcards: plan.beside_cubes("shifts.csv"),
        cards=lambda wildcards: plan.beside_encoders("card.json"),
        quicklooks=lambda wildcards: plan.quicklooks(),
        figures=lambda wildcards: plan.figures(),
        models=lambda wildcards: plan.winners(),
        maps=lambda wildcards: collect("{map}.png", map=plan.maps()),
    output:
        page=report("<results>/report.html", category="Page"),
        pictures=directory("<results>/report_files"),
    log:
        "<results>/logs/page.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("page", "revisit.report.page", plan.page, modules=plan.page_modules),
    message:
        "Write the report page"
    shell:
        "revisit run {params.job}"


# Only made when asked for: `snakemake catalogue`. `revisit serve` needs no file.
rule catalogue:
    input:
        products=lambda wildcards: plan.products(),
    output:
        collections="<results>/collections.json",
        found="<results>/items.json",
    log:
        "<results>/logs/catalogue.log",
    conda:
        "../../envs/revisit.yaml"
    params:
        **plan.job("catalogue", "revisit.stac.api.catalogue"),
        beside=plan.beside_products,
    message:
        "Write the STAC catalogue of the products"
    shell:
        "revisit run {params.job}"
