# From a CelebA folder to the packed dataset and the samples that are attacked.


# Folders are compared by dates alone. The images are other ones where the texts beside them are.
FACES = RULES["synthesize_faces"]
DRAWN = [ancient(file) if file in FACES.output("images") else file for file in FACES.files]


rule synthesize_faces:
    output:
        images=directory(RULES["synthesize_faces"].outputs["images"]),
        annotations=RULES["synthesize_faces"].outputs["annotations"],
        partition=RULES["synthesize_faces"].outputs["partition"],
        provenance=RULES["synthesize_faces"].outputs["provenance"],
        mislabelled=RULES["synthesize_faces"].outputs["mislabelled"],
    log:
        RULES["synthesize_faces"].log,
    benchmark:
        RULES["synthesize_faces"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.pack
    resources:
        **by_attempt(mem_mb=500 + 250 * COMPUTE.threads.pack, runtime=30),  # a process each
    params:
        version=VERSIONS["synthesize_faces"],
        seed=SETTINGS.seed_of(SETTINGS.synthetic),
        faces=SETTINGS.synthetic.model_dump(exclude={"seed"}),
    message:
        "Drawing a look-alike of CelebA"
    script:
        "../../scripts/synthesize_faces.py"


rule pack_dataset:
    input:
        drawn=DRAWN,
        source=[paths.SOURCE] if SOURCE_FILES else [],
    output:
        **RULES["pack_dataset"].outputs,
    log:
        RULES["pack_dataset"].log,
    benchmark:
        RULES["pack_dataset"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.pack
    resources:
        **by_attempt(mem_mb=2000, runtime=120),
    params:
        **SETTINGS.dataset.choice,
        columns=lambda wildcards: SETTINGS.dataset.columns,
        version=VERSIONS["pack_dataset"],
        image_size=SETTINGS.dataset.image_size,
        leave_out_bad_images=SETTINGS.dataset.leave_out_bad_images,
    message:
        f"Decoding images and labels of {plain(SETTINGS.dataset.source)}"
    script:
        "../../scripts/pack_dataset.py"


rule score_fold:
    input:
        **PACKED,
        code=code_files([SETTINGS.doubt.architecture.name]),
    output:
        **RULES["score_fold"].outputs,
    log:
        RULES["score_fold"].log,
    benchmark:
        RULES["score_fold"].benchmark
    # What takes longest and is asked for early.
    priority: 1
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.train
    resources:
        **by_attempt(mem_mb=1500, runtime=720),
        gpu=GPU,
    params:
        version=VERSIONS["doubt"],
        seed=SETTINGS.seed,
        folds=SETTINGS.doubt.folds,
        architecture=SETTINGS.doubt.architecture.model_dump(),
        training=SETTINGS.doubt.training.model_dump(exclude={"seed"}),
        device=COMPUTE.device,
    message:
        "Training a small network without the images of fold {wildcards.fold}, to score these"
    script:
        "../../scripts/score_fold.py"


rule doubt_labels:
    input:
        **PACKED,
        audit=own(filter(None, [SETTINGS.doubt.audited])),
        scores=RULES["score_fold"].files,
    output:
        **RULES["doubt_labels"].outputs,
    log:
        RULES["doubt_labels"].log,
    benchmark:
        RULES["doubt_labels"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=4000, runtime=60),
    params:
        version=VERSIONS["doubt"],
        # Of a file of your own what it says matters, and not how it is written.
        rules=[asdict(each) for each in SETTINGS.rules] if "rules" in SETTINGS.doubt_sources else [],
    message:
        "Looking for labels in doubt"
    script:
        "../../scripts/doubt_labels.py"


rule draw_sample:
    input:
        **PACKED,
        apart=lambda wildcards: [paths.SAMPLE.of(sample=name) for name in SETTINGS.apart_from(wildcards.sample)],
    output:
        **RULES["draw_sample"].outputs,
    log:
        RULES["draw_sample"].log,
    benchmark:
        RULES["draw_sample"].benchmark
    conda:
        ENVIRONMENT
    resources:
        **by_attempt(mem_mb=500, runtime=10),
    params:
        version=VERSIONS["draw_sample"],
        seed=lambda wildcards: SETTINGS.seed_of(SETTINGS.samples[wildcards.sample]),
        split=lambda wildcards: SETTINGS.samples[wildcards.sample].split,
        images=lambda wildcards: SETTINGS.samples[wildcards.sample].images,
    message:
        "Drawing {params.images} images of the {params.split} split: sample {wildcards.sample}"
    script:
        "../../scripts/draw_sample.py"
