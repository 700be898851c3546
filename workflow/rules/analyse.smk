# Tables and figures. What there is, and from what each is made, stands in the library's two registries.


rule make_table:
    input:
        unpack(inputs_of_table),
        run="results/run.json",
    output:
        csv="results/tables/{table}.csv",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../report/product.rst",
            category=lambda wildcards: TABLES[wildcards.table].part,
            subcategory="Tables",
            labels=lambda wildcards: TABLES[wildcards.table].labels(len(PLAN.attributes)),
        ),
    log:
        "logs/make_table/{table}.log",
    benchmark:
        "results/benchmarks/make_table/{table}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["analyse"],
        intervals=config["analysis"]["intervals"],
        # Only where they matter, so that a change of one attack remakes nothing that does not hang on it.
        attacks=lambda wildcards: config["attacks"] if TABLES[wildcards.table].options else {},
        reading=lambda wildcards: reading_of_table(wildcards.table).text,
        synthetic=SYNTHETIC,
    message:
        "Making table {wildcards.table}"
    script:
        "../../scripts/make_table.py"


rule make_figure:
    input:
        unpack(inputs_of_figure),
        run="results/run.json",
    output:
        pdf="results/figures/{figure}.pdf",
        caption="results/figures/{figure}.txt",
        png=report(
            "results/figures/{figure}.png",
            caption="../report/product.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].part,
            subcategory="Figures",
            labels=lambda wildcards: FIGURES[wildcards.figure].labels(len(PLAN.attributes)),
        ),
    log:
        "logs/make_figure/{figure}.log",
    benchmark:
        "results/benchmarks/make_figure/{figure}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["analyse"],
        order=config["analysis"]["order"],
        reading=lambda wildcards: reading_of_figure(wildcards.figure).text,
        synthetic=SYNTHETIC,
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/make_figure.py"


rule draw_gallery:
    input:
        attempts="results/attempts.parquet",
        dataset="results/dataset/celeba.h5",
        stores=JOINED_STORES,
    output:
        folder=directory("results/gallery"),
    log:
        "logs/draw_gallery.log",
    benchmark:
        "results/benchmarks/draw_gallery.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["analyse"],
        threshold=config["analysis"]["threshold"],
    message:
        "Drawing the gallery of adversarial images"
    script:
        "../../scripts/draw_gallery.py"


# The last job, so that it can tell what all the others took.
rule write_index:
    input:
        run="results/run.json",
        manifest="results/dataset/manifest.json",
        attempts="results/attempts.parquet",
        errors="results/tables/classification_error.csv",
        tables=expand("results/tables/{table}.html", table=TABLES),
        figures=expand("results/figures/{figure}.png", figure=FIGURES),
        gallery="results/gallery",
        readme="results/README.md",
        inventories=INVENTORIES,
    output:
        page="results/index.html",
        runtime=report(
            "results/runtime.html",
            caption="../report/runtime.rst",
            category="Time and memory",
            labels={"item": "Time and memory by rule"},
        ),
    log:
        "logs/write_index.log",
    benchmark:
        "results/benchmarks/write_index.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(10),
    params:
        version=VERSIONS["analyse"],
        attacks=config["attacks"],
        benchmarks="results/benchmarks",
        synthetic=SYNTHETIC,
    message:
        "Writing results/index.html"
    script:
        "../../scripts/write_index.py"
