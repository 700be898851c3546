# What several rules share. Which files and jobs there are, the library knows: PLAN and RULES.

ENVIRONMENT = "../../envs/faceflip.yaml"

COMPUTE = SETTINGS.compute

# GPUs of a job that may compute on one. Snakemake counts them where it is told how many there are (--resources gpu=4).
# `auto` asks for none where there is no driver here: a cluster without GPUs would wait for one for ever.
GPU = {"cpu": 0, "cuda": 1, "auto": int(NVIDIA_DRIVER.exists())}[COMPUTE.device]

# Whether the faces are drawn, as the captions of the report say; pages and pictures take it from the dataset itself.
SYNTHETIC = SETTINGS.dataset.drawn or PROVENANCE in (file.name for file in SOURCE_FILES)

# The dataset is too large to be compared by its bytes. Its manifest is not, and is another one where the dataset is.
PACKED = {"dataset": ancient(paths.DATASET), "manifest": paths.MANIFEST}

ATTACK_OPTIONS = {name: attack.options for name, attack in PLAN.attacks.items()}


def by_attempt(**resources):
    """Resources of which a job that is tried again (--retries) gets twice, then three times as much."""

    def multiple(amount):
        return lambda wildcards, attempt: amount * attempt

    return {name: multiple(amount) for name, amount in resources.items()}


def plain(text):
    """A text of the user's for a message, in which Snakemake takes braces for wildcards."""
    return text.replace("{", "{{").replace("}", "}}")


def own(files):
    """Files of the user's, which are where they are, whatever prefix those of a module have."""
    return [local(file) for file in files]


def code_files(references):
    """The user's files among references."""
    return own(own_files(references))


def network_of(wildcards):
    """The network of a job."""
    return PLAN.networks[wildcards.network]


def member_of(wildcards):
    """The member of a network that a job is about."""
    return network_of(wildcards).member_in(wildcards.member)


def trained(members):
    """The members that a job trains: these, or the one of its wildcards.

    As this asks for outputs, Snakemake does not record what it says: none is trained anew for having been trained
    beside others. Which one it is, its path says.
    """
    return lambda wildcards, output: list(members) or [member_of(wildcards)]


def experiment_of(wildcards):
    """The experiment of a job."""
    return Experiment(wildcards.sample, wildcards.network, wildcards.checkpoint, wildcards.attack)


def checkpoints_of(network, checkpoint, members):
    """The files of a network's checkpoints."""
    folders = map(paths.folder_of, members)
    return [paths.CHECKPOINT.of(network=network, member=folder, checkpoint=checkpoint) for folder in folders]


def final_checkpoints_of(network):
    """The files of the last checkpoints of a network's members."""
    return checkpoints_of(network.name, network.final, network.members)


def doubts_of(network):
    """The file of labels in doubt that a fine-tuning leaves out, the run's or the user's; none, or one."""
    file = network.settings.doubts
    if not file:
        return []
    return [file] if SETTINGS.makes(file) else own([file])


def fodder_of(wildcards, pattern):
    """The files, of stores or of scores, of the attempts that a network is fine-tuned on."""
    experiment, shards = PLAN.fodder(network_of(wildcards), member_of(wildcards)) or (None, [])
    return [pattern.of(**vars(experiment), shard=shard) for shard in shards]


def code_of_others(wildcards):
    """The user's code that the other networks are built from which an experiment's adversarial images are shown to."""
    others = PLAN.others(experiment_of(wildcards))
    return list(dict.fromkeys(name for other in others for name in other.own_code))


def of_product(product):
    """The files that a table or figure is made from."""
    inputs = inputs_of(product, RULES)
    if "code" in inputs:
        inputs["code"] = local(inputs["code"])
    return inputs | PACKED if "dataset" in inputs else inputs


def more_of(product):
    """What a product depends on beside its inputs, so that a change of one attack remakes nothing that does not."""
    return {"attacks": ATTACK_OPTIONS} if product.options else {}
