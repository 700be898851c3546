# Tables and figures. What there is, and from what each is made, stands in the library's two registries.


rule make_table:
    input:
        unpack(inputs_of_table),
        run="results/run.json",
    output:
        csv="results/tables/{table}.csv",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
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
        png="results/figures/{figure}.png",
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
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/make_figure.py"
