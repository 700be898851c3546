# From a CelebA folder to the packed dataset and the sample that is attacked.


rule synthesize_faces:
    output:
        images=directory("results/synthetic/img_align_celeba"),
        annotations="results/synthetic/list_attr_celeba.txt",
        partition="results/synthetic/list_eval_partition.txt",
        provenance="results/synthetic/synthetic.json",
    log:
        "logs/synthesize_faces.log",
    benchmark:
        "results/benchmarks/synthesize_faces.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["pack"]
    resources:
        mem_mb=by_attempt(1000),
        runtime=by_attempt(30),
    params:
        version=VERSIONS["synthesize_faces"],
        seed=config["seed"],
        faces=config["synthetic"],
    message:
        "Drawing a look-alike of CelebA"
    script:
        "../../scripts/synthesize_faces.py"


rule pack_dataset:
    input:
        celeba_files,
    output:
        dataset="results/dataset/celeba.h5",
        manifest="results/dataset/manifest.json",
        labels="results/dataset/labels.csv",
    log:
        "logs/pack_dataset.log",
    benchmark:
        "results/benchmarks/pack_dataset.tsv"
    conda:
        ENVIRONMENT
    threads: config["compute"]["threads"]["pack"]
    resources:
        mem_mb=by_attempt(2000),
        runtime=by_attempt(120),
    params:
        version=VERSIONS["pack_dataset"],
        folder=config["dataset"]["celeba"] or "results/synthetic",
        image_size=config["dataset"]["image_size"],
        leave_out_bad_images=config["dataset"]["leave_out_bad_images"],
    message:
        "Decoding images and labels of {params.folder}"
    script:
        "../../scripts/pack_dataset.py"


rule draw_sample:
    input:
        dataset="results/dataset/celeba.h5",
    output:
        sample="results/dataset/sample.csv",
    log:
        "logs/draw_sample.log",
    benchmark:
        "results/benchmarks/draw_sample.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=by_attempt(500),
        runtime=by_attempt(10),
    params:
        version=VERSIONS["draw_sample"],
        seed=config["seed"],
        images=config["sample"]["images"],
    message:
        "Drawing {params.images} training images to attack"
    script:
        "../../scripts/draw_sample.py"
