"""Version numbers of the workflow's stages.

Snakemake sees a rule's parameters and inputs change, but not the modules that its script imports. So each stage has a
number here that goes into its rule's parameters: raise it when the stage's results change, and what depends on the
stage is made anew. It lives apart from the stages' code because the Snakefile must not import that.
"""

VERSIONS = {
    "synthesize_faces": 1,
    "pack_dataset": 1,
    "draw_sample": 1,
    "doubt": 1,
    "train": 2,
    "tune": 1,
    "bring": 1,
    "predict": 1,
    "join": 1,
    "attack": 3,
    "score": 3,
    "transfer": 2,
    "between": 2,
    "collect": 4,
    "analyse": 9,
}
