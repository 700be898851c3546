# Tables and figures. What there is, and from what each is made, stands in the library's two registries.
from faceflip.analysis import registry as tables
from faceflip.figures import registry as figures

TABLES = expand("results/tables/{table}.{format}", table=tables.TABLES, format=["csv", "md", "tex"])
FIGURES = expand("results/figures/{figure}.{format}", figure=figures.FIGURES, format=["pdf", "png"])

# Inputs by the roles that the registries speak of; every other role is a table's name.
ROLES = {
    "attempts": "results/attempts.parquet",
    "predictions": "results/predictions.parquet",
    "transfers": "results/transfers.parquet",
    "labels": "results/dataset/labels.csv",
    "dataset": "results/dataset/celeba.h5",
    "stores": JOINED_STORES,
    "histories": histories_of_all,
}


def inputs_of(product, wildcards):
    """The files of a table's or figure's inputs, by role."""
    files = {role: ROLES.get(role, f"results/tables/{role}.csv") for role in product.inputs}
    return {role: file(wildcards) if callable(file) else file for role, file in files.items()}


wildcard_constraints:
    table="|".join(tables.TABLES),
    figure="|".join(figures.FIGURES),


rule make_table:
    input:
        unpack(lambda wildcards: inputs_of(tables.TABLES[wildcards.table], wildcards)),
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
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["analyse"],
        intervals=config["analysis"].get("intervals", True),
        # Only where they matter, so that a change of one attack remakes nothing that does not hang on it.
        attacks=lambda wildcards: (config["attacks"] if tables.TABLES[wildcards.table].options else {}),
    message:
        "Making table {wildcards.table}"
    script:
        "../../scripts/make_table.py"


rule make_figure:
    input:
        unpack(lambda wildcards: inputs_of(figures.FIGURES[wildcards.figure], wildcards)),
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
        mem_mb=2000,
        runtime=30,
    params:
        version=VERSIONS["analyse"],
        order=config["analysis"].get("order", "official"),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/make_figure.py"
