# Tables, figures and pages. What there is, and from what each is made, stands in faceflip.workflow.products.

ATTACKED = f"{len(SETTINGS.attacked)} of {len(SETTINGS.dataset.attributes)}"
PAPER_LINKS = paper_links(PLAN, RULES)
TABLES = {name: asdict(product) for name, product in PLAN.tables.items()}
FIGURES = {name: asdict(product) for name, product in PLAN.figures.items()}


rule make_table:
    input:
        unpack(lambda wildcards: of_product(PLAN.tables[wildcards.table])),
        run=paths.RUN,
    output:
        csv=RULES["make_table"].outputs["csv"],
        md=RULES["make_table"].outputs["md"],
        tex=RULES["make_table"].outputs["tex"],
        html=report(
            RULES["make_table"].outputs["html"],
            caption="../report/product.rst",
            category=lambda wildcards: PLAN.tables[wildcards.table].part,
            subcategory="Tables",
            labels=lambda wildcards: PLAN.tables[wildcards.table].labels(ATTACKED),
        ),
    log:
        RULES["make_table"].log,
    benchmark:
        RULES["make_table"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["analyse"],
        intervals=SETTINGS.analysis.intervals,
        product=lambda wildcards: TABLES[wildcards.table],
        more=lambda wildcards: more_of(PLAN.tables[wildcards.table]),
        reading=lambda wildcards: PLAN.tables[wildcards.table].reading.of(True, SETTINGS.doubt_sources).text,
        line=lambda wildcards: PLAN.line,
        synthetic=SYNTHETIC,
    message:
        "Making table {wildcards.table}"
    script:
        "../../scripts/make_table.py"


rule make_figure:
    input:
        unpack(lambda wildcards: of_product(PLAN.figures[wildcards.figure])),
        run=paths.RUN,
    output:
        pdf=RULES["make_figure"].outputs["pdf"],
        dark=RULES["make_figure"].outputs["dark"],
        caption=RULES["make_figure"].outputs["caption"],
        png=report(
            RULES["make_figure"].outputs["png"],
            caption="../report/product.rst",
            category=lambda wildcards: PLAN.figures[wildcards.figure].part,
            subcategory="Figures",
            labels=lambda wildcards: PLAN.figures[wildcards.figure].labels(ATTACKED),
        ),
    log:
        RULES["make_figure"].log,
    benchmark:
        RULES["make_figure"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["analyse"],
        product=lambda wildcards: FIGURES[wildcards.figure],
        more=lambda wildcards: {**more_of(PLAN.figures[wildcards.figure]), "order": SETTINGS.analysis.order},
        reading=lambda wildcards: PLAN.figures[wildcards.figure].reading.of(True, SETTINGS.doubt_sources).text,
        line=lambda wildcards: PLAN.line,
        synthetic=SYNTHETIC,
    message:
        "Drawing {wildcards.figure}"
    script:
        "../../scripts/make_figure.py"


rule draw_gallery:
    input:
        **PACKED,
        attempts=paths.ATTEMPTS,
        run=paths.RUN,
        stores=RULES["join_shards"].files,
        doubts=RULES["doubt_labels"].files,
    output:
        folder=directory(RULES["draw_gallery"].outputs["folder"]),
    log:
        RULES["draw_gallery"].log,
    benchmark:
        RULES["draw_gallery"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=2000, runtime=30),
    params:
        version=VERSIONS["analyse"],
    message:
        "Drawing the gallery of adversarial images"
    script:
        "../../scripts/draw_gallery.py"


rule write_readme:
    input:
        run=paths.RUN,
        manifest=paths.MANIFEST,
        errors=paths.TABLE.of(table="classification_error", format="csv"),
        warnings=paths.TABLE.of(table="warnings", format="csv"),
        attempts=paths.ATTEMPTS,
    output:
        **RULES["write_readme"].outputs,
    log:
        RULES["write_readme"].log,
    benchmark:
        RULES["write_readme"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=1000, runtime=10),
    params:
        version=VERSIONS["analyse"],
        attacks=ATTACK_OPTIONS,
        tables=TABLES,
        figures=FIGURES,
    message:
        "Writing {output.page}"
    script:
        "../../scripts/write_readme.py"


rule link_paper_names:
    input:
        files=list(PAPER_LINKS.values()),
    output:
        folder=directory(RULES["link_paper_names"].outputs["folder"]),
    log:
        RULES["link_paper_names"].log,
    benchmark:
        RULES["link_paper_names"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=500, runtime=10),
    params:
        version=VERSIONS["analyse"],
        names=list(PAPER_LINKS),
    message:
        "Linking tables and figures by the paper's names"
    script:
        "../../scripts/link_paper_names.py"


# The last job, so that it can tell what all the others took.
rule write_index:
    input:
        run=paths.RUN,
        manifest=paths.MANIFEST,
        attempts=paths.ATTEMPTS,
        errors=paths.TABLE.of(table="classification_error", format="csv"),
        warnings=paths.TABLE.of(table="warnings", format="csv"),
        tables=RULES["make_table"].output("html"),
        figures=RULES["make_figure"].output("png"),
        dark=RULES["make_figure"].output("dark"),
        gallery=paths.GALLERY,
        readme=paths.README,
        inventories=RULES["take_inventory"].files,
    output:
        page=RULES["write_index"].outputs["page"],
        runtime=report(
            RULES["write_index"].outputs["runtime"],
            caption="../report/runtime.rst",
            category="Time and memory",
            labels={"item": "Time and memory by rule"},
        ),
    log:
        RULES["write_index"].log,
    benchmark:
        RULES["write_index"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=1000, runtime=10),
    params:
        version=VERSIONS["analyse"],
        attacks=ATTACK_OPTIONS,
        tables=TABLES,
        figures=FIGURES,
        benchmarks=placed(paths.BENCHMARKS),
        synthetic=SYNTHETIC,
    message:
        "Writing {output.page}"
    script:
        "../../scripts/write_index.py"
