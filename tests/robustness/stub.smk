# Jobs that compute nothing, to see what a scheduler does with them.


rule many:
    output:
        "many/{number}",
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "touch {output}"


rule lease:
    output:
        "lease/{number}.json",
    resources:
        mem_mb=1500,
        runtime=10,
        gpu=1,
    params:
        script=f"{workflow.basedir}/leaser.py",
    shell:
        "{config[python]} {params.script} {output}"
