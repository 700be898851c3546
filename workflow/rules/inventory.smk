# What a finished run consists of, for `faceflip check results`.


rule take_inventory:
    input:
        unpack(lambda wildcards: files_of_part(RULES, wildcards.part)),
    output:
        **RULES["take_inventory"].outputs,
    log:
        RULES["take_inventory"].log,
    benchmark:
        RULES["take_inventory"].benchmark
    conda:
        ENVIRONMENT
    threads: COMPUTE.threads.pack
    resources:
        **by_attempt(mem_mb=500, runtime=60),
    params:
        rules=lambda wildcards: list(files_of_part(RULES, wildcards.part)),
        parts=[job["part"] for job in RULES["take_inventory"].jobs],
        # As it asks for outputs, Snakemake does not record it.
        root=lambda wildcards, output: str(BASE),
    message:
        "Taking the inventory of the {wildcards.part}"
    script:
        "../../scripts/take_inventory.py"
